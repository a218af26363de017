import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { CgroupAttachType } from "../kernel/attach-type.js";
import { BpfLink } from "../kernel/bpf-link.js";
import type { BpfProgram } from "../kernel/bpf-program.js";
import { KernelError } from "../lib/errors.js";
import { listPins } from "./bpf-folder.js";
import type { DeviceHook, DeviceHooks, HookFacts } from "./device-hooks.js";
import type { Ownership } from "./ownership.js";

export interface CgroupHook {
  readonly cgroupPath: string;
  readonly attachType: CgroupAttachType;
}

/**
 * Pinned links by name. A link keeps its program attached while no agent runs, and takes a new program in one step, so
 * that no packet passes between the old and the new.
 */
export class LinkSet implements DeviceHooks {
  readonly #folder: string;
  readonly #ownership: Ownership;

  constructor(options: { readonly folder: string; readonly ownership: Ownership }) {
    this.#folder = options.folder;
    this.#ownership = options.ownership;
  }

  /** Foreign programs on the same hook stay, and run before ours where they were there first. */
  ensureDevice(name: string, program: BpfProgram, hook: DeviceHook): void {
    this.#ensure(
      name,
      program,
      (link) => link.info.ifindex === hook.ifindex,
      () => BpfLink.attachTcx({ program, ifindex: hook.ifindex, direction: hook.direction }),
    );
  }

  ensureCgroup(name: string, program: BpfProgram, hook: CgroupHook): void {
    // The kernel's cgroup id is the inode number of its folder (kernfs).
    const cgroupId = statSync(hook.cgroupPath, { bigint: true }).ino;
    this.#ensure(
      name,
      program,
      (link) => link.info.cgroupId === cgroupId,
      () => BpfLink.attachCgroup({ program, cgroupPath: hook.cgroupPath, attachType: hook.attachType }),
    );
  }

  names(): readonly string[] {
    return listPins(this.#folder);
  }

  list(): readonly HookFacts[] {
    return this.names().flatMap((name) => this.find(name) ?? []);
  }

  /** Undefined without a link of that name. */
  find(name: string): HookFacts | undefined {
    using link = this.#open(name);
    return link === undefined ? undefined : { name, programId: link.info.programId, ifindex: link.info.ifindex ?? 0 };
  }

  /** Detaches and forgets; absence is not an error. */
  remove(name: string): void {
    using link = this.#open(name);
    if (link === undefined) return;
    link.detach();
    rmSync(join(this.#folder, name));
    this.#ownership.forget("link", name);
  }

  #ensure(name: string, program: BpfProgram, isInPlace: (link: BpfLink) => boolean, attach: () => BpfLink): void {
    using found = this.#open(name);
    if (found !== undefined && isInPlace(found)) {
      if (found.info.programId !== program.info.id) found.update(program);
      return;
    }
    if (found !== undefined) rmSync(join(this.#folder, name));
    using link = attach();
    this.#ownership.record("link", name, link.info.id);
    link.pin(join(this.#folder, name));
  }

  /** @throws KernelError `foreign-link` for a pin in our folder that no record names */
  #open(name: string): BpfLink | undefined {
    if (!listPins(this.#folder).includes(name)) return undefined;
    const link = BpfLink.openPinned(join(this.#folder, name));
    if (this.#ownership.owns("link", name, link.info.id)) return link;
    link.close();
    throw new KernelError("foreign-link", `${join(this.#folder, name)} is a link that this installation did not make`, {
      nextSteps: [
        `look at it: bpftool link show pinned ${join(this.#folder, name)}`,
        "remove the pin, then start again",
      ],
    });
  }
}

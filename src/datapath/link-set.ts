import { existsSync, renameSync, rmSync, statSync } from "node:fs";
import { join } from "node:path";
import type { CgroupAttachType } from "../kernel/attach-type.js";
import type { XdpMode } from "../kernel/attachment.js";
import { BpfLink } from "../kernel/bpf-link.js";
import type { BpfProgram } from "../kernel/bpf-program.js";
import { KernelError } from "../lib/errors.js";
import { Turns } from "../lib/turns.js";
import { waitForAll } from "../lib/wait-for-all.js";
import { listPins, NEXT_SUFFIX } from "./bpf-folder.js";
import type { DeviceHook, DeviceHooks, HookFacts } from "./device-hooks.js";
import type { Ownership } from "./ownership.js";

export interface XdpHook {
  readonly ifindex: number;
  readonly mode: XdpMode;
}

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
  /** Whatever touches a link of a device waits for the RTNL lock: a second thread would only wait beside the first. */
  readonly #turns = new Turns(1);

  constructor(options: { readonly folder: string; readonly ownership: Ownership }) {
    this.#folder = options.folder;
    this.#ownership = options.ownership;
  }

  /** Foreign programs on the same hook stay, and run before ours where they were there first. */
  ensureDevice(name: string, program: BpfProgram, hook: DeviceHook): Promise<void> {
    return this.#ensure(name, program, {
      isInPlace: (link) => link.openedInfo.ifindex === hook.ifindex,
      attach: () => BpfLink.attachTcxAsync({ program, ifindex: hook.ifindex, direction: hook.direction }),
    });
  }

  /** A device has one XDP program: a foreign one stays, and this fails. The mode belongs to the name, no link says it. */
  ensureXdp(name: string, program: BpfProgram, hook: XdpHook): Promise<void> {
    return this.#ensure(name, program, {
      isInPlace: (link) => link.openedInfo.ifindex === hook.ifindex,
      attach: () => BpfLink.attachXdpAsync({ program, ...hook }),
    });
  }

  ensureCgroup(name: string, program: BpfProgram, hook: CgroupHook): Promise<void> {
    // The kernel's cgroup id is the inode number of its folder (kernfs).
    const cgroupId = statSync(hook.cgroupPath, { bigint: true }).ino;
    return this.#ensure(name, program, {
      isInPlace: (link) => link.openedInfo.cgroupId === cgroupId,
      attach: async () => BpfLink.attachCgroup({ program, cgroupPath: hook.cgroupPath, attachType: hook.attachType }),
    });
  }

  names(): readonly string[] {
    return [...new Set(listPins(this.#folder).map(withoutNext))];
  }

  async list(): Promise<readonly HookFacts[]> {
    const found = await waitForAll(this.names().map((name) => this.find(name)));
    return found.flatMap((facts) => facts ?? []);
  }

  /** Undefined without a link of that name. */
  async find(name: string): Promise<HookFacts | undefined> {
    using link = await this.#open(name, name);
    if (link === undefined) return undefined;
    const { programId, ifindex = 0 } = link.openedInfo;
    return { name, programId, ifindex };
  }

  /** Detaches and forgets; absence is not an error. */
  async remove(name: string): Promise<void> {
    const pins = [name + NEXT_SUFFIX, name];
    for (const pin of pins) await this.#removePin(name, pin);
    // A kill between two steps may have left a record without its pin.
    for (const pin of pins) this.#ownership.forget("link", pin);
  }

  async #removePin(name: string, pin: string): Promise<void> {
    using link = await this.#open(name, pin);
    if (link === undefined) return;
    // A device that is gone has taken its attachments with it.
    if (link.openedInfo.ifindex !== 0) await this.#turns.run(() => link.detachAsync());
    // Before its pin: the kernel puts a last descriptor away in the caller's time, a last pin in its own.
    link.close();
    rmSync(join(this.#folder, pin));
    this.#ownership.forget("link", pin);
  }

  async #ensure(name: string, program: BpfProgram, place: Place): Promise<void> {
    await this.#finishReplacement(name, place);
    using found = await this.#open(name, name);
    if (found === undefined) {
      using link = await this.#turns.run(place.attach);
      this.#ownership.record("link", name, link.id);
      link.pin(join(this.#folder, name));
    } else if (place.isInPlace(found)) {
      if (found.openedInfo.programId !== program.id) await this.#turns.run(() => found.updateAsync(program));
    } else await this.#replace(name, found, place);
  }

  /** The device is another: the old one keeps its program until the new one has its own, under a pin and a record. */
  async #replace(name: string, old: BpfLink, place: Place): Promise<void> {
    using link = await this.#turns.run(place.attach);
    this.#ownership.record("link", name + NEXT_SUFFIX, link.id);
    link.pin(join(this.#folder, name + NEXT_SUFFIX));
    await this.#takeName(name, link, old);
  }

  /** An agent died between the two steps of a replacement. */
  async #finishReplacement(name: string, place: Place): Promise<void> {
    using next = await this.#open(name, name + NEXT_SUFFIX);
    if (next === undefined) return;
    if (!place.isInPlace(next)) return this.#removePin(name, name + NEXT_SUFFIX);
    using old = await this.#open(name, name);
    await this.#takeName(name, next, old);
  }

  async #takeName(name: string, next: BpfLink, old: BpfLink | undefined): Promise<void> {
    renameSync(join(this.#folder, name + NEXT_SUFFIX), join(this.#folder, name));
    this.#ownership.record("link", name, next.id);
    this.#ownership.forget("link", name + NEXT_SUFFIX);
    // Without its pin it ends with our handle; but a device takes a program once, and may be wanted again at once.
    if (old !== undefined) await this.#turns.run(() => old.detachAsync());
  }

  /** Ids of the links that are ours under this name: the present one's and the next one's. */
  #recorded(name: string): readonly (number | undefined)[] {
    return [name, name + NEXT_SUFFIX].map((record) => this.#ownership.objectId("link", record));
  }

  /**
   * The link under a pin of `name`; undefined when there is none (any more).
   * @throws KernelError `foreign-link` for a pin in our folder that no record names
   */
  async #open(name: string, pin: string): Promise<BpfLink | undefined> {
    const path = join(this.#folder, pin);
    if (!existsSync(path)) return undefined;
    const before = this.#recorded(name);
    const link = await this.#turns.run(() => openIfPinned(path));
    if (link === undefined) return undefined;
    const [current, next] = this.#recorded(name);
    if (pin === name && current !== link.id && next === link.id) {
      // An agent died between the rename and its record. The next replacement overwrites the record that names it now.
      this.#ownership.record("link", name, link.id);
      this.#ownership.forget("link", name + NEXT_SUFFIX);
    }
    // Also by what was recorded before: the status is read while endpoints go, and their records.
    if ([...before, current, next].includes(link.id)) return link;
    link.close();
    throw new KernelError("foreign-link", `${path} is a link that this installation did not make`, {
      nextSteps: [`look at it: bpftool link show pinned ${path}`, "remove the pin, then start again"],
    });
  }
}

/** Where a link belongs, and how it gets there. */
interface Place {
  readonly isInPlace: (link: BpfLink) => boolean;
  readonly attach: () => Promise<BpfLink>;
}

/** Undefined when the pin went away since somebody saw it. */
async function openIfPinned(path: string): Promise<BpfLink | undefined> {
  try {
    return await BpfLink.openPinnedAsync(path);
  } catch (error) {
    if (error instanceof KernelError && error.details.errno === "ENOENT") return undefined;
    throw error;
  }
}

function withoutNext(pin: string): string {
  return pin.endsWith(NEXT_SUFFIX) ? pin.slice(0, -NEXT_SUFFIX.length) : pin;
}

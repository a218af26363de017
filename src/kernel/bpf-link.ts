import { unlinkSync } from "node:fs";
import { loadAddon } from "./addon.js";
import { requireInstance, requireInteger, requireOneOf, requireText } from "./arguments.js";
import {
  type AttachType,
  attachTypeName,
  type CgroupAttachType,
  cgroupAttachTypeNumbers,
  deviceAttachTypeNumbers,
  type LinkType,
  linkTypeName,
  type TrafficDirection,
} from "./attach-type.js";
import { BpfProgram } from "./bpf-program.js";
import { Errno } from "./errno.js";
import { isFeatureDisabled } from "./feature-mask.js";
import { isFeatureAvailable } from "./features.js";
import { checkStatus, checkValue, type KernelFailure, kernelError } from "./kernel-error.js";
import type { NativeDeviceAttachment, NativeLink, NativeLinkInfo } from "./native-addon.js";
import { NativeHandle } from "./native-handle.js";

/** A program or link that is attached at the same hook already. */
export type TcxNeighbour = { readonly programId: number } | { readonly linkId: number };

export interface AttachTcxOptions {
  readonly program: BpfProgram;
  readonly ifindex: number;
  readonly direction: TrafficDirection;
  /** Run before this neighbour, or before all others with `"all"`. Without before and after: behind all others. */
  readonly before?: TcxNeighbour | "all";
  readonly after?: TcxNeighbour | "all";
  /** Fails with ESTALE when the hook has changed since `queryTcx` told this revision. */
  readonly expectedRevision?: bigint;
}

export interface LinkInfo {
  readonly id: number;
  readonly type: LinkType;
  readonly programId: number;
  /** tcx, netkit and XDP; 0 after the device went away. */
  readonly ifindex?: number;
  readonly attachType?: AttachType;
  /** The cgroup's inode number on cgroup2; 0 after it went away. */
  readonly cgroupId?: bigint;
  readonly tracepoint?: string;
}

/** `BPF_F_BEFORE`, `BPF_F_AFTER`, `BPF_F_ID`, `BPF_F_LINK` of 6.6. */
const positionFlags = { before: 1 << 3, after: 1 << 4, id: 1 << 5, link: 1 << 13 } as const;

/**
 * One attachment. It lives as long as a descriptor or a pin of it does; `close()` of an unpinned link detaches.
 *
 * At a device, attaching and detaching wait for an RCU grace period (10 to 100 ms) under the RTNL lock, and replacing, opening and
 * reading the info wait for whoever holds that lock. The methods that end in `Async` do so on a thread of libuv's pool; they
 * reject as the others throw. The handles that they are given may be closed meanwhile.
 * Throws KernelError: `invalid-argument`, `handle-closed`, `link-attach`, `link-open`, `link-update`, `link-pin`,
 * `link-unpin`, `link-detach`, `link-info`.
 */
export class BpfLink extends NativeHandle<NativeLink> {
  readonly id: number;
  readonly type: LinkType;
  /** As it was when this handle was opened; {@link info} asks again. */
  readonly openedInfo: LinkInfo;

  private constructor(native: NativeLink, info: LinkInfo) {
    super(native);
    this.openedInfo = info;
    this.id = info.id;
    this.type = info.type;
  }

  /** Attaches a tc program to a device beside what is there (tcx, 6.6). Older kernels: `attachClsact`. */
  static attachTcx(options: AttachTcxOptions): BpfLink {
    const { failure, request } = tcxAttachment(options);
    return BpfLink.#open(failure, (native) => native.attachDevice(...request));
  }

  /** As {@link attachTcx}, without holding up the event loop. */
  static async attachTcxAsync(options: AttachTcxOptions): Promise<BpfLink> {
    const { failure, request } = tcxAttachment(options);
    return BpfLink.#openAsync(failure, (native) => native.attachDeviceAsync(...request));
  }

  /** Attaches to a cgroup2 folder (5.7): acts on every process below it. */
  static attachCgroup(options: {
    readonly program: BpfProgram;
    readonly cgroupPath: string;
    readonly attachType: CgroupAttachType;
  }): BpfLink {
    requireInstance(options.program, BpfProgram, "program");
    requireText(options.cgroupPath, "cgroupPath");
    requireOneOf(options.attachType, Object.keys(cgroupAttachTypeNumbers) as CgroupAttachType[], "attachType");
    return BpfLink.#open(
      (errno) => ({
        code: "link-attach",
        attempt: `attach ${options.program.name} as ${options.attachType} to cgroup ${options.cgroupPath}`,
        details: { cgroupPath: options.cgroupPath, attachType: options.attachType },
        hint:
          errno === Errno.EBADF || errno === Errno.EINVAL
            ? `${options.cgroupPath} must be a folder of a cgroup2 mount, and the program must be made for ${options.attachType}.`
            : undefined,
      }),
      (native) =>
        native.attachCgroup(options.program.fd, options.cgroupPath, cgroupAttachTypeNumbers[options.attachType]),
    );
  }

  /** Attaches to a tracepoint such as `kfree_skb` with its raw arguments (4.17). */
  static attachRawTracepoint(options: { readonly program: BpfProgram; readonly tracepoint: string }): BpfLink {
    requireInstance(options.program, BpfProgram, "program");
    requireText(options.tracepoint, "tracepoint", 127);
    return BpfLink.#open(
      (errno) => ({
        code: "link-attach",
        attempt: `attach ${options.program.name} to raw tracepoint ${options.tracepoint}`,
        details: { tracepoint: options.tracepoint },
        hint: errno === Errno.ENOENT ? "This kernel has no tracepoint of this name." : undefined,
      }),
      (native) => native.attachRawTracepoint(options.program.fd, options.tracepoint),
    );
  }

  static openPinned(path: string): BpfLink {
    requireText(path, "path");
    return BpfLink.#open(
      () => ({ code: "link-open", attempt: `open the link pinned at ${path}`, path }),
      (native) => native.openPinned(path),
    );
  }

  /** As {@link openPinned}, without holding up the event loop. */
  static async openPinnedAsync(path: string): Promise<BpfLink> {
    requireText(path, "path");
    return BpfLink.#openAsync(
      () => ({ code: "link-open", attempt: `open the link pinned at ${path}`, path }),
      (native) => native.openPinnedAsync(path),
    );
  }

  static openById(id: number): BpfLink {
    requireInteger(id, "id");
    return BpfLink.#open(
      () => ({ code: "link-open", attempt: `open link ${id}`, details: { id } }),
      (native) => native.openById(id),
    );
  }

  static #open(
    failure: (errno: number) => Omit<KernelFailure, "errno">,
    open: (native: NativeLink) => number,
  ): BpfLink {
    const native = new (loadAddon().BpfLink)();
    const status = open(native);
    if (status < 0) throw kernelError({ ...failure(-status), errno: -status });
    const info = native.info();
    if (typeof info === "number") {
      native.close();
      throw kernelError({ ...failure(-info), errno: -info });
    }
    return new BpfLink(native, linkInfo(info));
  }

  static async #openAsync(
    failure: (errno: number) => Omit<KernelFailure, "errno">,
    open: (native: NativeLink) => Promise<number>,
  ): Promise<BpfLink> {
    const native = new (loadAddon().BpfLink)();
    const status = await open(native);
    if (status < 0) throw kernelError({ ...failure(-status), errno: -status });
    return new BpfLink(native, linkInfo(native.openedInfo()));
  }

  protected describe(): string {
    return `${this.type} link ${this.id}`;
  }

  /** Asked of the kernel at each access: the program changes by update, the device may go away. */
  get info(): LinkInfo {
    return linkInfo(
      checkValue(this.use("read its info").info(), () => ({
        code: "link-info",
        attempt: `read the info of ${this.describe()}`,
      })),
    );
  }

  /** Replaces the program between two packets. The new one must be of the same type. */
  update(program: BpfProgram): void {
    requireInstance(program, BpfProgram, "program");
    checkStatus(this.use("update").update(program.fd), () => this.#updateFailure(program));
  }

  /** As {@link update}, without holding up the event loop. */
  async updateAsync(program: BpfProgram): Promise<void> {
    requireInstance(program, BpfProgram, "program");
    checkStatus(await this.use("update").updateAsync(program.fd), () => this.#updateFailure(program));
  }

  #updateFailure(program: BpfProgram): Omit<KernelFailure, "errno"> {
    return {
      code: "link-update",
      attempt: `replace the program of ${this.describe()} by ${program.name}`,
      details: { linkId: this.id, programId: program.id },
    };
  }

  pin(path: string): void {
    requireText(path, "path");
    checkStatus(this.use("pin").pin(path), () => ({
      code: "link-pin",
      attempt: `pin ${this.describe()} at ${path}`,
      path,
    }));
  }

  /** Removes a pin of this link. The attachment stays while this handle is open. */
  unpin(path: string): void {
    this.use("unpin");
    requireText(path, "path");
    try {
      unlinkSync(path);
    } catch (cause) {
      const errno = -((cause as NodeJS.ErrnoException).errno ?? -Errno.EPERM);
      throw kernelError({ code: "link-unpin", attempt: `remove the pin ${path}`, errno, path });
    }
  }

  /** Detaches although pins or other descriptors remain (5.9). They stay behind as empty shells. */
  detach(): void {
    checkStatus(this.use("detach").detach(), () => this.#detachFailure());
  }

  /** As {@link detach}, without holding up the event loop. */
  async detachAsync(): Promise<void> {
    checkStatus(await this.use("detach").detachAsync(), () => this.#detachFailure());
  }

  #detachFailure(): Omit<KernelFailure, "errno"> {
    return { code: "link-detach", attempt: `detach ${this.describe()}` };
  }
}

/** What `attachDevice` is called with, and what is said when it fails. */
function tcxAttachment(options: AttachTcxOptions): {
  readonly failure: (errno: number) => Omit<KernelFailure, "errno">;
  readonly request: NativeDeviceAttachment;
} {
  const { program, ifindex, direction } = options;
  requireInstance(program, BpfProgram, "program");
  requireInteger(ifindex, "ifindex", 1);
  requireOneOf(direction, ["ingress", "egress"], "direction");
  const { flags, relative } = positionOf(options);
  const attempt = `attach ${program.name} at tcx ${direction} of interface ${ifindex}`;
  const failure = (errno: number): Omit<KernelFailure, "errno"> => ({
    code: "link-attach",
    attempt,
    details: { ifindex, direction },
    hint: tcxHint(errno),
  });
  if (isFeatureDisabled("tcx")) throw kernelError({ ...failure(Errno.EINVAL), errno: Errno.EINVAL });
  const attachType = deviceAttachTypeNumbers[direction === "ingress" ? "tcx_ingress" : "tcx_egress"];
  const revision = options.expectedRevision ?? 0n;
  return { failure, request: [program.fd, ifindex, attachType, flags, relative, revision] };
}

function linkInfo(info: NativeLinkInfo): LinkInfo {
  const { attachType, ...rest } = info;
  return {
    ...rest,
    type: linkTypeName(info.type),
    ...(attachType === undefined ? {} : { attachType: attachTypeName(attachType) }),
  };
}

function positionOf(options: AttachTcxOptions): { flags: number; relative: number } {
  const side = options.before !== undefined ? "before" : options.after !== undefined ? "after" : undefined;
  if (side === undefined) return { flags: 0, relative: 0 };
  const neighbour = options[side] as TcxNeighbour | "all";
  if (neighbour === "all") return { flags: positionFlags[side], relative: 0 };
  if ("linkId" in neighbour) {
    requireInteger(neighbour.linkId, `${side}.linkId`, 1);
    return { flags: positionFlags[side] | positionFlags.id | positionFlags.link, relative: neighbour.linkId };
  }
  requireInteger(neighbour.programId, `${side}.programId`, 1);
  return { flags: positionFlags[side] | positionFlags.id, relative: neighbour.programId };
}

function tcxHint(errno: number): string | undefined {
  if (errno === Errno.EINVAL) {
    return isFeatureAvailable("tcx") === false
      ? "This kernel has no tcx (since 6.6): attach with clsact."
      : "Only tc programs attach here, and a neighbour must be attached at the same hook.";
  }
  if (errno === Errno.ENODEV) return "No such interface in this network namespace.";
  if (errno === Errno.ESTALE) return "Somebody else attached or detached here meanwhile: query the hook again.";
  if (errno === Errno.EEXIST) return "This very program is attached at this hook already.";
  return undefined;
}

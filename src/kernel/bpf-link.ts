import { unlinkSync } from "node:fs";
import { loadAddon } from "./addon.js";
import { requireInstance, requireInteger, requireText } from "./arguments.js";
import { type AttachType, attachTypeName, type LinkType, linkTypeName } from "./attach-type.js";
import {
  type AttachCgroupOptions,
  type Attachment,
  type AttachRawTracepointOptions,
  type AttachTcxOptions,
  type AttachTracingOptions,
  type AttachXdpOptions,
  cgroupAttachment,
  type DeviceAttachment,
  rawTracepointAttachment,
  tcxAttachment,
  tracingAttachment,
  xdpAttachment,
} from "./attachment.js";
import { BpfProgram } from "./bpf-program.js";
import { Errno } from "./errno.js";
import { checkStatus, checkValue, type KernelFailure, kernelError } from "./kernel-error.js";
import type { NativeLink, NativeLinkInfo } from "./native-addon.js";
import { NativeHandle } from "./native-handle.js";

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
    return BpfLink.#open(tcxAttachment(options));
  }

  /** As {@link attachTcx}, without holding up the event loop. */
  static async attachTcxAsync(options: AttachTcxOptions): Promise<BpfLink> {
    return BpfLink.#openAsync(tcxAttachment(options));
  }

  /** Attaches an XDP program to a device (5.9), which takes one: EBUSY when there is another. */
  static attachXdp(options: AttachXdpOptions): BpfLink {
    return BpfLink.#open(xdpAttachment(options));
  }

  /** As {@link attachXdp}, without holding up the event loop. */
  static async attachXdpAsync(options: AttachXdpOptions): Promise<BpfLink> {
    return BpfLink.#openAsync(xdpAttachment(options));
  }

  /** Attaches to a cgroup2 folder (5.7): acts on every process below it. */
  static attachCgroup(options: AttachCgroupOptions): BpfLink {
    return BpfLink.#open(cgroupAttachment(options));
  }

  /** Attaches to a tracepoint such as `kfree_skb` with its raw arguments (4.17). */
  static attachRawTracepoint(options: AttachRawTracepointOptions): BpfLink {
    return BpfLink.#open(rawTracepointAttachment(options));
  }

  /** Attaches a program that knows the kernel's types (5.5, kernel BTF). `update` cannot replace it. */
  static attachTracing(options: AttachTracingOptions): BpfLink {
    return BpfLink.#open(tracingAttachment(options));
  }

  static openPinned(path: string): BpfLink {
    requireText(path, "path");
    return BpfLink.#open({ failure: pinFailure(path), open: (native) => native.openPinned(path) });
  }

  /** As {@link openPinned}, without holding up the event loop. */
  static async openPinnedAsync(path: string): Promise<BpfLink> {
    requireText(path, "path");
    return BpfLink.#openAsync({ failure: pinFailure(path), openAsync: (native) => native.openPinnedAsync(path) });
  }

  static openById(id: number): BpfLink {
    requireInteger(id, "id");
    return BpfLink.#open({
      failure: () => ({ code: "link-open", attempt: `open link ${id}`, details: { id } }),
      open: (native) => native.openById(id),
    });
  }

  static #open({ failure, open }: Attachment): BpfLink {
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

  static async #openAsync({ failure, openAsync }: Omit<DeviceAttachment, "open">): Promise<BpfLink> {
    const native = new (loadAddon().BpfLink)();
    const status = await openAsync(native);
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

const pinFailure = (path: string) => (): Omit<KernelFailure, "errno"> => ({
  code: "link-open",
  attempt: `open the link pinned at ${path}`,
  path,
});

function linkInfo(info: NativeLinkInfo): LinkInfo {
  const { attachType, ...rest } = info;
  return {
    ...rest,
    type: linkTypeName(info.type),
    ...(attachType === undefined ? {} : { attachType: attachTypeName(attachType) }),
  };
}

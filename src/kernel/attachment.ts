/**
 * The ways to attach a program by a link: what each one takes, what the addon is asked, and what is said when the kernel
 * refuses. `BpfLink` opens them.
 */
import {
  refuseArgument,
  requireInstance,
  requireInteger,
  requireOneOf,
  requireOptions,
  requireText,
  requireUint64,
} from "./arguments.js";
import {
  type CgroupAttachType,
  cgroupAttachTypeNumbers,
  deviceAttachTypeNumbers,
  type TrafficDirection,
} from "./attach-type.js";
import { BpfProgram } from "./bpf-program.js";
import { Errno } from "./errno.js";
import { isFeatureDisabled } from "./feature-mask.js";
import { describeMissingFeature } from "./features.js";
import { type KernelFailure, kernelError } from "./kernel-error.js";
import type { NativeDeviceAttachment, NativeLink } from "./native-addon.js";

/** One attachment that is about to be made. */
export interface Attachment {
  readonly failure: (errno: number) => Omit<KernelFailure, "errno">;
  readonly open: (native: NativeLink) => number;
}

/** At a device, where attaching waits for others: see `BpfLink`. */
export interface DeviceAttachment extends Attachment {
  readonly openAsync: (native: NativeLink) => Promise<number>;
}

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

export interface AttachXdpOptions {
  readonly program: BpfProgram;
  readonly ifindex: number;
  /** Where it runs: in the driver, or for every driver behind it (`generic`). Left out, the kernel takes what there is. */
  readonly mode?: XdpMode;
}

export interface AttachCgroupOptions {
  readonly program: BpfProgram;
  readonly cgroupPath: string;
  readonly attachType: CgroupAttachType;
}

export interface AttachRawTracepointOptions {
  readonly program: BpfProgram;
  readonly tracepoint: string;
}

export interface AttachTracingOptions {
  /** A program of a section `tp_btf/…`, `fentry/…` or `fexit/…`: what it is attached to was decided when it was loaded. */
  readonly program: BpfProgram;
}

/** `BPF_F_BEFORE`, `BPF_F_AFTER`, `BPF_F_ID`, `BPF_F_LINK` of 6.6. */
const positionFlags = { before: 1 << 3, after: 1 << 4, id: 1 << 5, link: 1 << 13 } as const;

/** `XDP_FLAGS_SKB_MODE` and `XDP_FLAGS_DRV_MODE` of include/uapi/linux/if_link.h. */
const xdpModeFlags = { generic: 1 << 1, driver: 1 << 2 } as const;
export type XdpMode = keyof typeof xdpModeFlags;

export function tcxAttachment(options: AttachTcxOptions): DeviceAttachment {
  requireOptions(options);
  const { program, ifindex, direction, expectedRevision = 0n } = options;
  requireInstance(program, BpfProgram, "program");
  requireInteger(ifindex, "ifindex", 1);
  requireOneOf(direction, ["ingress", "egress"], "direction");
  const { flags, relative } = positionOf(options);
  const attachType = deviceAttachTypeNumbers[direction === "ingress" ? "tcx_ingress" : "tcx_egress"];
  requireUint64(expectedRevision, "expectedRevision");
  return deviceAttachment("tcx", [program.fd, ifindex, attachType, flags, relative, expectedRevision], (errno) => ({
    code: "link-attach",
    attempt: `attach ${program.name} at tcx ${direction} of interface ${ifindex}`,
    details: { ifindex, direction },
    hint: hintOf(errno, "tcx", tcxHints),
  }));
}

export function xdpAttachment(options: AttachXdpOptions): DeviceAttachment {
  requireOptions(options);
  const { program, ifindex, mode } = options;
  requireInstance(program, BpfProgram, "program");
  requireInteger(ifindex, "ifindex", 1);
  if (mode !== undefined) requireOneOf(mode, ["generic", "driver"], "mode");
  const flags = mode === undefined ? 0 : xdpModeFlags[mode];
  return deviceAttachment("xdp_link", [program.fd, ifindex, deviceAttachTypeNumbers.xdp, flags, 0, 0n], (errno) => ({
    code: "link-attach",
    attempt: `attach ${program.name} at XDP of interface ${ifindex}`,
    details: { ifindex, mode: mode ?? "any" },
    hint: hintOf(errno, "xdp_link", xdpHints),
  }));
}

export function cgroupAttachment(options: AttachCgroupOptions): Attachment {
  requireOptions(options);
  const { program, cgroupPath, attachType } = options;
  requireInstance(program, BpfProgram, "program");
  requireText(cgroupPath, "cgroupPath");
  requireOneOf(attachType, Object.keys(cgroupAttachTypeNumbers) as CgroupAttachType[], "attachType");
  const wrongPlace = `${cgroupPath} must be a folder of a cgroup2 mount, and the program must be made for ${attachType}.`;
  return {
    failure: (errno) => ({
      code: "link-attach",
      attempt: `attach ${program.name} as ${attachType} to cgroup ${cgroupPath}`,
      details: { cgroupPath, attachType },
      hint: hintOf(errno, "cgroup_link", { [Errno.EBADF]: wrongPlace, [Errno.EINVAL]: wrongPlace }),
    }),
    open: (native) => native.attachCgroup(program.fd, cgroupPath, cgroupAttachTypeNumbers[attachType]),
  };
}

export function rawTracepointAttachment(options: AttachRawTracepointOptions): Attachment {
  requireOptions(options);
  const { program, tracepoint } = options;
  requireInstance(program, BpfProgram, "program");
  requireText(tracepoint, "tracepoint", 127);
  return {
    failure: (errno) => ({
      code: "link-attach",
      attempt: `attach ${program.name} to raw tracepoint ${tracepoint}`,
      details: { tracepoint },
      hint: hintOf(errno, "raw_tracepoint", {
        [Errno.ENOENT]: "This kernel has no tracepoint of this name.",
        [Errno.EINVAL]: "Only raw tracepoint programs attach here, with no more arguments than the tracepoint has.",
      }),
    }),
    open: (native) => native.attachRawTracepoint(program.fd, tracepoint),
  };
}

export function tracingAttachment(options: AttachTracingOptions): Attachment {
  requireOptions(options);
  const { program } = options;
  requireInstance(program, BpfProgram, "program");
  return {
    failure: (errno) => ({
      code: "link-attach",
      attempt: `attach tracing program ${program.name}`,
      details: { programId: program.id, programType: program.type },
      hint: hintOf(errno, "tp_btf", {
        [Errno.EINVAL]: "Only programs of the sections tp_btf, fentry and fexit know by themselves where they attach.",
        [Errno.EBUSY]: "This very program is attached already.",
      }),
    }),
    open: (native) => native.attachRawTracepoint(program.fd, ""),
  };
}

function deviceAttachment(
  feature: string,
  request: NativeDeviceAttachment,
  failure: Attachment["failure"],
): DeviceAttachment {
  if (isFeatureDisabled(feature)) throw kernelError({ ...failure(Errno.EINVAL), errno: Errno.EINVAL });
  return {
    failure,
    open: (native) => native.attachDevice(...request),
    openAsync: (native) => native.attachDeviceAsync(...request),
  };
}

const tcxHints: Readonly<Record<number, string>> = {
  [Errno.ENODEV]: "No such interface in this network namespace.",
  [Errno.EINVAL]: "Only tc programs attach here, and a neighbour must be attached at the same hook.",
  [Errno.ESTALE]: "Somebody else attached or detached here meanwhile: query the hook again.",
  [Errno.EEXIST]: "This very program is attached at this hook already.",
};

const xdpHints: Readonly<Record<number, string>> = {
  [Errno.EINVAL]: "Only XDP programs attach here, and only to an interface of this network namespace.",
  [Errno.EBUSY]: "Another XDP program is attached to this interface, and it takes only one.",
  [Errno.EEXIST]: "Another XDP program is attached to this interface, and it takes only one.",
  [Errno.EOPNOTSUPP]: 'The driver of this interface runs no XDP programs: use mode "generic".',
};

/** Errors that a kernel without the feature answers, too. */
const unsupportedErrnos: ReadonlySet<number> = new Set([Errno.EINVAL, Errno.EPERM, Errno.EOPNOTSUPP, Errno.ENOTSUPP]);

/** Asks the probe before anything else is blamed. */
function hintOf(errno: number, feature: string, hints: Readonly<Record<number, string>>): string | undefined {
  const missing = unsupportedErrnos.has(errno) ? describeMissingFeature(feature) : undefined;
  return missing ?? hints[errno];
}

function positionOf(options: AttachTcxOptions): { flags: number; relative: number } {
  const side = options.before !== undefined ? "before" : options.after !== undefined ? "after" : undefined;
  if (side === undefined) return { flags: 0, relative: 0 };
  if (options.before !== undefined && options.after !== undefined) {
    refuseArgument("options", "one of before and after", options);
  }
  const neighbour = options[side] as TcxNeighbour | "all";
  if (neighbour === "all") return { flags: positionFlags[side], relative: 0 };
  requireOptions(neighbour, side);
  if ("linkId" in neighbour) {
    requireInteger(neighbour.linkId, `${side}.linkId`, 1);
    return { flags: positionFlags[side] | positionFlags.id | positionFlags.link, relative: neighbour.linkId };
  }
  requireInteger(neighbour.programId, `${side}.programId`, 1);
  return { flags: positionFlags[side] | positionFlags.id, relative: neighbour.programId };
}

import { loadAddon } from "./addon.js";
import { requireBoolean, requireInstance, requireInteger, requireOneOf, requireOptions } from "./arguments.js";
import type { TrafficDirection } from "./attach-type.js";
import { BpfProgram } from "./bpf-program.js";
import { Errno } from "./errno.js";
import { checkStatus, checkValue } from "./kernel-error.js";

/** Which filter of a device is meant. Filters of one direction run by priority, then handle. */
export interface TcFilterPosition {
  readonly ifindex: number;
  readonly direction: TrafficDirection;
  /** 1 (first) to 65535. */
  readonly priority: number;
  readonly handle: number;
}

export interface AttachClsactOptions extends TcFilterPosition {
  readonly program: BpfProgram;
  /** Replace the filter at this position, in one step, when there is one. Otherwise it fails with EEXIST. */
  readonly replace?: boolean;
}

export interface TcFilter extends TcFilterPosition {
  /** `bpf`, `flower`, `u32` … */
  readonly kind: string;
  /** EtherType; 3 stands for all. */
  readonly protocol: number;
  /** libbpf names a filter `<program>:[<id>]`. */
  readonly name: string;
  /** Undefined for filters that are not BPF programs. */
  readonly programId: number | undefined;
  readonly directAction: boolean;
}

function requirePosition(position: TcFilterPosition): void {
  requireOptions(position, "position");
  requireInteger(position.ifindex, "ifindex", 1);
  requireOneOf(position.direction, ["ingress", "egress"], "direction");
  requireInteger(position.priority, "priority", 1, 65535);
  requireInteger(position.handle, "handle", 1);
}

/**
 * Attaches a program to the clsact qdisc: the fallback for kernels without tcx (before 6.6). Unlike a link it stays until
 * it is detached or the device goes away. Makes the qdisc where there is none.
 *
 * @throws KernelError `tc-attach`: EEXIST when the position is taken, EINVAL for a program that is not a tc program
 */
export function attachClsact(options: AttachClsactOptions): { readonly createdQdisc: boolean } {
  requirePosition(options);
  requireInstance(options.program, BpfProgram, "program");
  const { ifindex, direction, priority, handle, program, replace = false } = options;
  requireBoolean(replace, "replace");
  const [status, , , createdQdisc] = loadAddon().clsactAttach(
    ifindex,
    direction === "ingress",
    program.fd,
    handle,
    priority,
    replace,
  );
  checkStatus(status, () => ({
    code: "tc-attach",
    attempt: `attach ${program.name} at clsact ${direction} of interface ${ifindex} (priority ${priority}, handle ${handle})`,
    details: { ifindex, direction, priority, handle },
  }));
  return { createdQdisc };
}

/** Removes one filter. False when there was none at this position. The qdisc stays. */
export function detachClsact(position: TcFilterPosition): boolean {
  requirePosition(position);
  const { ifindex, direction, priority, handle } = position;
  const status = loadAddon().clsactDetach(ifindex, direction === "ingress", handle, priority);
  // EINVAL: no clsact qdisc at all; the kernel tells an unknown parent this way.
  if (status === -Errno.ENOENT || status === -Errno.EINVAL) return false;
  checkStatus(status, () => ({
    code: "tc-detach",
    attempt: `detach the clsact ${direction} filter ${priority}/${handle} of interface ${ifindex}`,
    details: { ifindex, direction, priority, handle },
  }));
  return true;
}

/** Removes the clsact qdisc with every filter on it, foreign ones too: only for a device or a qdisc that we made. */
export function removeClsact(ifindex: number): boolean {
  requireInteger(ifindex, "ifindex", 1);
  const status = loadAddon().clsactDestroy(ifindex);
  if (status === -Errno.ENOENT || status === -Errno.EINVAL) return false;
  checkStatus(status, () => ({ code: "tc-detach", attempt: `remove the clsact qdisc of interface ${ifindex}` }));
  return true;
}

/** All filters of one direction, whoever made them; empty without a clsact qdisc. */
export function listTcFilters(ifindex: number, direction: TrafficDirection): readonly TcFilter[] {
  requireInteger(ifindex, "ifindex", 1);
  requireOneOf(direction, ["ingress", "egress"], "direction");
  const answer = loadAddon().clsactFilters(ifindex, direction === "ingress");
  if (answer === -Errno.EINVAL) return [];
  const filters = checkValue(answer, () => ({
    code: "tc-list",
    attempt: `list the ${direction} filters of interface ${ifindex}`,
    details: { ifindex, direction },
  }));
  return filters.map((filter) => ({
    ...filter,
    ifindex,
    direction,
    programId: filter.programId === 0 ? undefined : filter.programId,
  }));
}

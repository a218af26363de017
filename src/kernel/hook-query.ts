import { closeSync, openSync } from "node:fs";
import { loadAddon } from "./addon.js";
import { requireInteger, requireOneOf, requireText } from "./arguments.js";
import {
  type CgroupAttachType,
  cgroupAttachTypeNumbers,
  deviceAttachTypeNumbers,
  type TrafficDirection,
} from "./attach-type.js";
import { Errno } from "./errno.js";
import { checkValue, type KernelFailure, kernelError } from "./kernel-error.js";

export interface AttachedProgram {
  readonly programId: number;
  /** Undefined for a program that was attached without a link, and on cgroups, where the kernel does not tell. */
  readonly linkId: number | undefined;
}

export interface TcxQuery {
  /** Grows with each change of the hook; see `AttachTcxOptions.expectedRevision`. */
  readonly revision: bigint;
  /** In the order in which they run. */
  readonly programs: readonly AttachedProgram[];
}

/** All tcx programs of a device, whoever attached them. @throws KernelError `hook-query` */
export function queryTcx(ifindex: number, direction: TrafficDirection): TcxQuery {
  requireInteger(ifindex, "ifindex", 1);
  requireOneOf(direction, ["ingress", "egress"], "direction");
  const attachType = deviceAttachTypeNumbers[direction === "ingress" ? "tcx_ingress" : "tcx_egress"];
  const answer = checkValue(loadAddon().queryHook(ifindex, attachType, 0, true), () => ({
    code: "hook-query",
    attempt: `list the tcx ${direction} programs of interface ${ifindex}`,
    details: { ifindex, direction },
  }));
  return {
    revision: answer.revision,
    programs: answer.programIds.map((programId, index) => {
      const linkId = answer.linkIds[index];
      return { programId, linkId: linkId === 0 ? undefined : linkId };
    }),
  };
}

/** Programs attached to this very cgroup (not its parents), in the order in which they run. */
export function queryCgroup(cgroupPath: string, attachType: CgroupAttachType): readonly AttachedProgram[] {
  requireText(cgroupPath, "cgroupPath");
  requireOneOf(attachType, Object.keys(cgroupAttachTypeNumbers) as CgroupAttachType[], "attachType");
  const failure = () => ({
    code: "hook-query",
    attempt: `list the ${attachType} programs of cgroup ${cgroupPath}`,
    details: { cgroupPath, attachType },
  });
  const fd = openFolder(cgroupPath, failure);
  try {
    const number = cgroupAttachTypeNumbers[attachType];
    const answer = checkValue(loadAddon().queryHook(fd, number, 0, false), failure);
    return answer.programIds.map((programId) => ({ programId, linkId: undefined }));
  } finally {
    closeSync(fd);
  }
}

function openFolder(path: string, failure: () => Omit<KernelFailure, "errno">): number {
  try {
    return openSync(path, "r");
  } catch (cause) {
    throw kernelError({ ...failure(), errno: -((cause as NodeJS.ErrnoException).errno ?? -Errno.ENOENT) });
  }
}

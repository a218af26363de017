import { constants } from "node:os";
import { linuxErrorText } from "../model/errno-texts.js";

const namesByNumber: ReadonlyMap<number, string> = new Map(
  Object.entries(constants.errno).map(([name, number]) => [number, name]),
);

/** Kernel-internal numbers that leak through bpf(2) and that no libc names (include/linux/errno.h). */
const kernelInternal: ReadonlyMap<number, readonly [name: string, text: string]> = new Map([
  [524, ["ENOTSUPP", "operation is not supported by the kernel"]],
]);

/** Error numbers that this layer decides on; Linux, all architectures that we support. */
export const Errno = {
  EPERM: 1,
  ENOENT: 2,
  ESRCH: 3,
  EINTR: 4,
  EBADF: 9,
  ENOMEM: 12,
  EACCES: 13,
  EBUSY: 16,
  EEXIST: 17,
  ENODEV: 19,
  EINVAL: 22,
  ENOSPC: 28,
  E2BIG: 7,
  EOPNOTSUPP: 95,
  ESTALE: 116,
  ENOTSUPP: 524,
} as const;

/** `2` → `"ENOENT"`. Unknown numbers come back as `"errno 4711"`. */
export function errnoName(errno: number): string {
  return kernelInternal.get(errno)?.[0] ?? namesByNumber.get(errno) ?? `errno ${errno}`;
}

/** `2` → `"no such file or directory"`. */
export function errnoText(errno: number): string {
  return kernelInternal.get(errno)?.[1] ?? linuxErrorText(errno) ?? "unknown error";
}

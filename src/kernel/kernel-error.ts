import { KernelError } from "../lib/errors.js";
import { errnoName, errnoText } from "./errno.js";
import { hintForFailure } from "./failure-hint.js";

export interface KernelFailure {
  /** Stable code of the error, also the name of what was tried: `map-update`, `object-load` … */
  readonly code: string;
  /** What was tried, in words that go behind "cannot": `pin map cts_ct4 at /sys/fs/bpf/x`. */
  readonly attempt: string;
  /** Positive error number. */
  readonly errno: number;
  readonly details?: Readonly<Record<string, unknown>>;
  /** bpffs path that the call wrote to or read from: lets the hint say that no bpffs is mounted there. */
  readonly path?: string;
  /** Takes the place of the hint that errno and probes suggest. */
  readonly hint?: string | undefined;
  readonly nextSteps?: readonly string[];
}

/** The error of a refused system call: names what was tried and the errno, and asks the probes why before it blames. */
export function kernelError(failure: KernelFailure): KernelError {
  const errno = errnoName(failure.errno);
  const hint = failure.hint ?? hintForFailure(failure);
  return new KernelError(failure.code, `cannot ${failure.attempt}: ${errno} (${errnoText(failure.errno)})`, {
    ...(hint === undefined ? {} : { hint }),
    ...(failure.nextSteps === undefined ? {} : { nextSteps: failure.nextSteps }),
    details: {
      operation: failure.code,
      errno,
      errnoNumber: failure.errno,
      ...(failure.path === undefined ? {} : { path: failure.path }),
      ...failure.details,
    },
  });
}

/** Passes an answer ≥ 0 on and turns -errno into a KernelError. */
export function checkStatus(status: number, failure: () => Omit<KernelFailure, "errno">): number {
  if (status >= 0) return status;
  throw kernelError({ ...failure(), errno: -status });
}

/** For addon calls that answer a value or -errno. */
export function checkValue<T extends object>(value: T | number, failure: () => Omit<KernelFailure, "errno">): T {
  if (typeof value !== "number") return value;
  throw kernelError({ ...failure(), errno: -value });
}

/** Exit codes of the command line, documented in docs/architecture.md. */
export const ExitCode = {
  ok: 0,
  other: 1,
  usage: 2,
  finding: 3,
  cluster: 4,
  notFound: 5,
  kernel: 6,
  agent: 7,
  timeout: 8,
  partial: 9,
  bug: 70,
  interrupted: 130,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

export interface CtsErrorOptions {
  /** What usually causes this, in one sentence. */
  readonly hint?: string;
  /** Commands or actions to try next, each a line of its own. */
  readonly nextSteps?: readonly string[];
  /** Machine-readable facts: errno, path, field … */
  readonly details?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/**
 * The one error tree of the product. `code` is stable and in kebab-case; callers classify by class or code, never by
 * message text. `message` says what was tried and what happened, `nextSteps` what to do about it.
 */
export abstract class CtsError extends Error {
  abstract readonly exitCode: ExitCode;
  readonly code: string;
  readonly hint: string | undefined;
  readonly nextSteps: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;

  constructor(code: string, message: string, options: CtsErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
    this.nextSteps = options.nextSteps ?? [];
    this.details = options.details ?? {};
  }
}

/** The caller's words are wrong: a flag, a manifest, an argument. */
export class UsageError extends CtsError {
  readonly exitCode = ExitCode.usage;
}

/** A thing that was named does not exist. */
export class NotFoundError extends CtsError {
  readonly exitCode = ExitCode.notFound;
}

/** The kernel, the native addon or a BPF object refused. */
export class KernelError extends CtsError {
  readonly exitCode = ExitCode.kernel;
}

/** The agent refused, or does not answer. */
export class AgentError extends CtsError {
  readonly exitCode = ExitCode.agent;
}

/** The state source (Kubernetes API or state folder) refused. */
export class StateError extends CtsError {
  readonly exitCode = ExitCode.cluster;
}

export class TimeoutError extends CtsError {
  readonly exitCode = ExitCode.timeout;
}

/** The answer is there, but not whole: a node missing, a map cut short. */
export class PartialError extends CtsError {
  readonly exitCode = ExitCode.partial;
}

/** Something on this machine outside the kernel failed: a file, a child process. */
export class SystemError extends CtsError {
  readonly exitCode = ExitCode.other;
}

import { CtsError, ExitCode } from "../../lib/errors.js";

/** Codes of the CNI specification 1.1, section "Error"; 100 and above are the plugin's own. */
export const CniErrorCode = {
  unknownContainer: 3,
  invalidEnvironment: 4,
  ioFailure: 5,
  decodingFailure: 6,
  tryAgainLater: 11,
  attachFailed: 100,
  checkFailed: 101,
} as const;
export type CniErrorCode = (typeof CniErrorCode)[keyof typeof CniErrorCode];

export class CniError extends CtsError {
  readonly exitCode = ExitCode.agent;
  readonly cniCode: CniErrorCode;

  constructor(cniCode: CniErrorCode, message: string, options: { readonly cause?: unknown } = {}) {
    super(`cni-${cniCode}`, message, options);
    this.cniCode = cniCode;
  }
}

/** The error object of the CNI specification, and the HTTP status that goes with it. */
export function formatCniError(error: unknown): {
  readonly status: number;
  readonly body: { readonly code: number; readonly msg: string; readonly details: string };
} {
  if (error instanceof CniError) {
    const isCallerFault =
      error.cniCode === CniErrorCode.invalidEnvironment || error.cniCode === CniErrorCode.decodingFailure;
    const status = isCallerFault ? 400 : error.cniCode === CniErrorCode.tryAgainLater ? 503 : 500;
    return { status, body: { code: error.cniCode, msg: error.message, details: describeCause(error.cause) } };
  }
  const msg = error instanceof Error ? error.message : String(error);
  return { status: 500, body: { code: CniErrorCode.attachFailed, msg, details: describeHint(error) } };
}

function describeCause(cause: unknown): string {
  return cause instanceof Error ? cause.message : cause === undefined ? "" : String(cause);
}

function describeHint(error: unknown): string {
  return error instanceof CtsError ? [error.hint, ...error.nextSteps].filter(Boolean).join(" ") : "";
}

import { sleep } from "./time.js";

/** Milliseconds to wait after the n-th failure in a row (n starts at 1). */
export type Backoff = (failures: number) => number;

export interface BackoffOptions {
  readonly firstMs: number;
  readonly maxMs: number;
  /** Default 2. */
  readonly factor?: number;
  /** Share of the delay that is random, so that many clients do not come back at once. Default 0. */
  readonly jitter?: number;
  /** Source of randomness in [0, 1). Default `Math.random`. */
  readonly random?: () => number;
}

/** first, first·factor, first·factor² … up to `maxMs`, minus up to `jitter` of it. */
export function exponentialBackoff(options: BackoffOptions): Backoff {
  const { firstMs, maxMs, factor = 2, jitter = 0, random = Math.random } = options;
  return (failures) => {
    const delayMs = Math.min(maxMs, firstMs * factor ** (failures - 1));
    return Math.round(delayMs * (1 - jitter * random()));
  };
}

export interface RetryOptions {
  readonly backoff: Backoff;
  /** Attempts in all. Default: until the signal aborts. */
  readonly attempts?: number;
  /** Default: every error is worth another attempt. */
  readonly isRetryable?: (error: unknown) => boolean;
  readonly signal?: AbortSignal;
}

/** Runs `attempt` until it succeeds. Throws its last error, or the signal's reason while it waits. */
export async function retry<T>(attempt: (count: number) => Promise<T>, options: RetryOptions): Promise<T> {
  const { backoff, attempts = Number.POSITIVE_INFINITY, isRetryable = () => true, signal } = options;
  for (let count = 1; ; count++) {
    signal?.throwIfAborted();
    try {
      return await attempt(count);
    } catch (error) {
      if (count >= attempts || !isRetryable(error)) throw error;
    }
    await sleep(backoff(count), signal);
  }
}

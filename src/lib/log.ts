import { pino } from "pino";

/** Structured logger: `log.info({ endpointId }, "endpoint ready")`. */
export type Logger = pino.Logger;

export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

export interface LoggerOptions {
  /** Which part of the product speaks, e.g. `agent`. */
  readonly name: string;
  /** Default `info`. */
  readonly level?: LogLevel;
  /** A file (created with its folder, appended to), a descriptor or a stream. Default: standard error. */
  readonly destination?: string | number | { write(line: string): void };
}

/**
 * One JSON object a line. Writes are synchronous: what was logged before a `kill -9` is on disk, and the volume is low.
 * Standard error is the default because standard output carries data.
 */
export function createLogger(options: LoggerOptions): Logger {
  const { destination = 2 } = options;
  const stream =
    typeof destination === "object"
      ? destination
      : pino.destination({ dest: destination, sync: true, mkdir: true, append: true });
  return pino(
    {
      name: options.name,
      level: options.level ?? "info",
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
}

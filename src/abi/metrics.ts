import type { MetricRow } from "../model/rows.js";
import { bits, optional, u64, uint } from "../model/struct-fields.js";
import { type Codec, checkBounds } from "./codec.js";
import { isDropReason, reasonText } from "./drop-reasons.js";
import { newestOf, type Releases } from "./release.js";
import { sourceFileName } from "./source-files.js";
import { structCodec } from "./struct-codec.js";

/** Key of `cilium_metrics` (8 bytes). */
export interface MetricKey {
  readonly reason: number;
  /** Index into {@link metricDirections}. */
  readonly direction: number;
  /** Line and file since 1.16. */
  readonly line: number | undefined;
  readonly file: number | undefined;
}

/** Value of `cilium_metrics` (16 bytes a CPU). */
export interface MetricValue {
  readonly count: bigint;
  readonly bytes: bigint;
}

export const metricDirections = ["unknown", "ingress", "egress", "service"] as const;

export interface MetricCodecs {
  readonly key: Codec<MetricKey>;
  readonly value: Codec<MetricValue>;
  /** Adds the values of all CPUs, which the kernel gives one behind the other. @param offset of the first CPU's */
  sumPerCpu(bytes: Uint8Array, offset: number, lengthBytes: number): MetricValue;
  row(key: MetricKey, value: MetricValue, node?: string): MetricRow;
}

export function createMetricCodecs(releases: Releases): MetricCodecs {
  const release = newestOf(releases);
  const value = structCodec<MetricValue>("metrics_value", releases, {
    count: u64("count"),
    bytes: u64("bytes"),
  });
  return {
    key: structCodec<MetricKey>("metrics_key", releases, {
      reason: uint("reason"),
      direction: bits("dir"),
      line: optional(uint("line")),
      file: optional(uint("file")),
    }),
    value,
    sumPerCpu: (bytes, offset, lengthBytes) => sumPerCpu(value, bytes, offset, lengthBytes),
    row: (key, sum, node) => ({
      node,
      release,
      reason: key.reason,
      reasonText: reasonText(key.reason, release),
      isDrop: isDropReason(key.reason),
      direction: metricDirections[key.direction] ?? "unknown",
      packets: sum.count,
      bytes: sum.bytes,
      line: key.line,
      file: key.file === undefined ? undefined : sourceFileName(key.file, release),
    }),
  };
}

function sumPerCpu(codec: Codec<MetricValue>, bytes: Uint8Array, offset: number, lengthBytes: number): MetricValue {
  checkBounds("metrics_value of all CPUs", bytes, offset, lengthBytes);
  let count = 0n;
  let total = 0n;
  for (let at = offset; at + codec.sizeBytes <= offset + lengthBytes; at += codec.sizeBytes) {
    const value = codec.decode(bytes, at);
    count += value.count;
    total += value.bytes;
  }
  return { count, bytes: total };
}

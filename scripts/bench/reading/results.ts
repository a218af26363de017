import type { TrafficResult } from "../results.js";
import type { ProcessCost } from "./process-cost.js";

/** What reading maps costs; the rest of the report may be of another run. */
export interface ReadingResults {
  readonly startedAt: string;
  readonly commit: string;
  readonly node: string;
  /** Load average of the minute before: what others did to these figures. */
  readonly loadBefore: number;
  /** Whole processes, measured in rounds: `runs[i]` of all of one group belong to round i. */
  readonly lists: readonly ListCost[];
  /** Maps read in process by the command's own scan. */
  readonly scans: readonly ScanCost[];
  readonly changing: readonly ChangingRead[];
  readonly waits: readonly Wait[];
  readonly traffic?: TrafficResult | undefined;
  readonly profile: readonly ProfileColumn[];
  /** What was left out, and why. */
  readonly leftOut: readonly string[];
}

/** What a core that is busy costs its neighbour whatever it does. */
export const computingWay = "a loop that computes on the other core";

export interface ListCost {
  /** What the map holds, e.g. `500,000 entries`. */
  readonly map: string;
  readonly what: string;
  readonly runs: readonly ProcessCost[];
  readonly outputBytes?: number | undefined;
}

/** How long the batch calls of one scan held a CPU. */
export interface SliceTimes {
  readonly count: number;
  readonly p99Ms: number;
  readonly longestMs: number;
  readonly sumMs: number;
}

/** What a part of a list cost in a process of its own, start-up excluded. */
export interface StepCost {
  readonly cpuSeconds: number;
  readonly seconds: number;
  readonly entries: number;
  /** What was written or thrown away; of printing and writing. */
  readonly bytes?: number | undefined;
  readonly restarts?: number | undefined;
  readonly state?: string | undefined;
  readonly walk?: "batches" | "buckets" | undefined;
  /** Undefined when no batch call was made. */
  readonly slices?: SliceTimes | undefined;
}

export interface ScanCost {
  readonly map: string;
  readonly scan: StepCost;
}

/** A list of a map that changes meanwhile. */
export interface ChangingRead {
  readonly seconds: number;
  readonly changesPerSecond: number;
  readonly entries: number;
  readonly state: string;
  readonly restarts: number;
  readonly longestSliceMs: number;
}

/** How long a task that wakes up every millisecond waited for the CPU that the reader had. */
export interface Wait {
  readonly beside: string;
  readonly samples: number;
  readonly p99Seconds: number;
  readonly longestSeconds: number;
}

/** CPU seconds of one list by its parts. */
export interface ProfileColumn {
  readonly output: string;
  readonly entries: number;
  readonly parts: Readonly<Record<ProfilePart, number>>;
  /** Of the whole process, measured from outside. */
  readonly processCpuSeconds: number;
}

export const profileParts = {
  startUp: "start-up (a list of an empty map)",
  kernel: "the kernel's batch calls, on a thread beside the others",
  handing: "handing batches over",
  decoding: "decoding",
  naming: "names",
  formatting: "formatting",
  writing: "writing to the file",
} as const;
export type ProfilePart = keyof typeof profileParts;

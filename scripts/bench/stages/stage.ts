import type { TrafficResult } from "../results.js";
import type { RoundSettings } from "../rounds.js";

export interface StageContext {
  readonly settings: RoundSettings;
  readonly isQuick: boolean;
  readonly print: (line: string) => void;
}

/** Figures of a stage that are no traffic, ready to be shown. */
export interface StageTable {
  readonly title: string;
  readonly intro: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

export interface StageFigures {
  readonly tables: readonly StageTable[];
  /** Ways that were measured in the same rounds. */
  readonly traffic?: readonly TrafficResult[];
}

/** A part of the benchmarks that is measured on its own, with `--only` and its name, and leaves nothing behind. */
export interface Stage {
  /** Heading of its part of the page. */
  readonly title: string;
  measure(context: StageContext): Promise<StageFigures>;
}

/** What a stage measured, and when. */
export interface StageResults extends StageFigures {
  readonly title: string;
  readonly startedAt: string;
  readonly commit: string;
  readonly node: string;
  readonly loadBefore: number;
  readonly settings: { readonly rounds: number; readonly seconds: number };
}

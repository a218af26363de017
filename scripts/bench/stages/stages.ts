import { loadavg } from "node:os";
import { describeCommit } from "../results.js";
import { changesStage } from "./changes.js";
import { masqueradeStage, nodePortStage } from "./edge.js";
import { floodStage } from "./flood.js";
import { maglevStage } from "./maglev.js";
import { memoryStage } from "./memory.js";
import { policyStage } from "./policy.js";
import { ipv6Stage, nativeStage } from "./routing.js";
import type { Stage, StageContext, StageResults } from "./stage.js";
import { visibilityStage } from "./visibility.js";

/** By the name that `--only` takes, in the order in which they run and stand on the page. */
export const stages = {
  memory: memoryStage,
  changes: changesStage,
  policy: policyStage,
  visibility: visibilityStage,
  ipv6: ipv6Stage,
  native: nativeStage,
  nodeport: nodePortStage,
  masquerade: masqueradeStage,
  maglev: maglevStage,
  flood: floodStage,
} as const satisfies Readonly<Record<string, Stage>>;

export type StageName = keyof typeof stages;

export const stageNames = Object.keys(stages) as readonly StageName[];

/** Runs a stage and notes what its figures belong to. */
export async function runStage(name: StageName, context: StageContext): Promise<StageResults> {
  const { rounds, seconds } = context.settings;
  const origin = {
    title: stages[name].title,
    startedAt: new Date().toISOString(),
    commit: describeCommit(),
    node: process.version,
    loadBefore: loadavg()[0] ?? 0,
    settings: { rounds, seconds },
  };
  context.settings.signal.throwIfAborted();
  return { ...origin, ...(await stages[name].measure(context)) };
}

import { setTimeout as delay } from "node:timers/promises";
import { KernelError } from "../../lib/errors.js";
import type { CtColumns } from "../../model/conntrack-columns.js";
import { ctColumnsOf } from "../../model/conntrack-from-rows.js";
import type { Completeness, ConntrackRequest, RowStream } from "../../model/readers.js";
import type { CtRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { readConntrackMaps } from "./conntrack.js";
import { largestTupleSet, TupleSet } from "./tuple-set.js";

/** Conntrack entries: all, or those that come within some time. */
export function readConntrack(context: NodeContext, request: ConntrackRequest, signal: AbortSignal): RowStream<CtRow> {
  return request.arrivalsMs === undefined
    ? readConntrackMaps(context, request, signal)
    : readArrivals(context, request, request.arrivalsMs, signal);
}

/**
 * What the maps have after `waitMs` and did not have before. They hold no time of creation, so they are read twice.
 * @throws KernelError `too-many-connections` when they cannot all be remembered
 */
async function* readArrivals(
  context: NodeContext,
  request: ConntrackRequest,
  waitMs: number,
  signal: AbortSignal,
): RowStream<CtRow> {
  const known = new TupleSet();
  const before = await rememberAll(readConntrackMaps(context, request, signal), known);
  await delay(waitMs, undefined, { signal }).catch(() => undefined);
  const entries = readConntrackMaps(context, request, signal);
  try {
    while (true) {
      const step = await entries.next();
      if (step.done === true) return bothEnds(before, step.value);
      for (const columns of ctColumnsOf(step.value)) yield* unknownOf(columns, known);
    }
  } finally {
    await entries.return(undefined as never);
  }
}

async function rememberAll(entries: RowStream<CtRow>, known: TupleSet): Promise<Completeness> {
  try {
    while (true) {
      const step = await entries.next();
      if (step.done === true) return step.value;
      for (const columns of ctColumnsOf(step.value)) rememberColumns(columns, known);
    }
  } finally {
    await entries.return(undefined as never);
  }
}

function rememberColumns(columns: CtColumns, known: TupleSet): void {
  for (let index = 0; index < columns.length; index++) {
    if (known.add(columns, index)) continue;
    const message = `there are more than ${largestTupleSet} connections: too many to remember which are new`;
    throw new KernelError("too-many-connections", message, {
      nextSteps: ["ask for fewer of them: --pod, --service, --port, --state, --direction …"],
    });
  }
}

function* unknownOf(columns: CtColumns, known: TupleSet): Generator<CtColumns> {
  const indexes: number[] = [];
  for (let index = 0; index < columns.length; index++) if (!known.has(columns, index)) indexes.push(index);
  if (indexes.length > 0) yield columns.pick(indexes);
}

/** What the first reading missed, the second one takes for new. */
function bothEnds(before: Completeness, after: Completeness): Completeness {
  if (before.state === "complete" || after.state === "partial") return after;
  return { ...after, state: "partial", reason: `the reading before the wait was cut short: ${before.reason}` };
}

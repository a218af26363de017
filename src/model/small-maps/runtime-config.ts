import { formatAge } from "../../lib/time.js";
import { rfc3339Text } from "../../lib/utc-time.js";
import type { NodeClock } from "../node-clock.js";
import { u64, uint } from "../struct-fields.js";
import { smallMap, source } from "./small-map.js";
import { tableForm } from "./upstream-form.js";
import { unixTimeOf } from "./utime.js";

/** The slots that are in use, as upstream calls them. */
const slotNames: readonly string[] = ["UTimeOffset", "AgentLiveness"];
const utimeOffset = 0;
const agentLiveness = 1;

/** `cilium_runtime_config` */
export const runtimeConfigMap = smallMap(
  [
    source(
      "cilium_runtime_config",
      { slot: uint("value") },
      { value: u64("value") },
      { isListed: (row) => row.slot < slotNames.length || row.value !== 0n },
    ),
  ],
  {
    name: "config",
    kind: "RuntimeConfigList",
    summary: "List what the agent tells the datapath while it runs",
    madeWhen: "it starts",
    fields: {
      key: { header: "KEY", type: "text", doc: "what is said", value: (row) => keyOf(row.slot) },
      value: { header: "VALUE", type: "counter", doc: "as it lies in the map" },
      meaning: { header: "MEANING", type: "text", doc: "the value in words", isOptional: true, value: meaningOf },
    },
    order: (row) => [keyOf(row.slot)],
    nameOf: (row) => keyOf(row.slot),
    isTimed: true,
    upstream: tableForm({
      header: () => "KEY\tVALUE",
      line: (row) => `${keyOf(row.slot)}\t${row.value}`,
      item: (row) => ({ Key: keyOf(row.slot), Value: row.value }),
      whenMissing: "Cannot find config bpf map",
    }),
  },
);

function keyOf(slot: number): string {
  return slotNames[slot] ?? `Slot${slot}`;
}

function meaningOf(row: {
  readonly slot: number;
  readonly value: bigint;
  readonly clock: NodeClock;
}): string | undefined {
  if (row.value === 0n) return undefined;
  if (row.slot === utimeOffset) return `the machine started at ${rfc3339Text(unixTimeOf(row.value))}`;
  if (row.slot !== agentLiveness) return undefined;
  return `the agent was alive ${formatAge(1000 * row.clock.nowSeconds - Number(row.value / 1_000_000n))} ago`;
}

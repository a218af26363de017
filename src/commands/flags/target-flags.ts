import { Flags } from "#oclif";
import type { TargetSelection } from "../../actions/open-target.js";
import { boundedInteger } from "./flag-types.js";

/** Which nodes are asked. */
export const targetFlags = {
  lab: Flags.string({
    summary: "lab to read (default: the only one that runs)",
    helpValue: "NAME",
    helpGroup: "TARGET",
  }),
  local: Flags.boolean({ summary: "read this machine's own kernel, as root", helpGroup: "TARGET" }),
  node: Flags.string({
    summary: "only this node; may be repeated",
    helpValue: "NAME",
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: "TARGET",
  }),
  release: Flags.string({
    summary: "read the maps as this upstream release has them (default: decided from what is found; -v says how)",
    helpValue: "1.20",
    helpGroup: "TARGET",
  }),
  "max-slice": boundedInteger({
    summary: "milliseconds that one system call of the reading may hold a CPU of the node at most (default: 50)",
    helpValue: "MS",
    helpGroup: "TARGET",
    min: 1,
    max: 60_000,
  }),
};

/** What the target flags say. */
export function targetOf(flags: {
  readonly lab?: string | undefined;
  readonly local: boolean;
  readonly node?: readonly string[] | undefined;
  readonly release?: string | undefined;
  readonly "max-slice"?: number | undefined;
  readonly now?: number | undefined;
  readonly clock?: "ktime" | "jiffies" | undefined;
  readonly "clock-hz"?: number | undefined;
}): TargetSelection {
  const { lab, local, node, release, "max-slice": maxSliceMs, now: nowSeconds } = flags;
  const jiffiesHz = flags.clock === "jiffies" ? flags["clock-hz"] : undefined;
  return { lab, isLocal: local, nodes: node, release, maxSliceMs, nowSeconds, jiffiesHz };
}

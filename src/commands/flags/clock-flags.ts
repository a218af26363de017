import { Flags } from "#oclif";
import { UsageError } from "../../lib/errors.js";
import { boundedInteger } from "./flag-types.js";

/** What the times in a node's maps are related to. The long words are upstream's. */
export const clockFlags = {
  now: Flags.custom<number>({
    parse: async (text) => {
      if (/^\d+(\.\d*)?$/.test(text)) return Number(text);
      throw new UsageError("bad-time", `"${text}" is no time of a node's clock: seconds since it started, as 2709.7`);
    },
  })({
    summary: "what the node's clock said when its maps were captured: seconds of CLOCK_MONOTONIC (default: now)",
    helpValue: "SECONDS",
    helpGroup: "TARGET",
  }),
  clock: Flags.option({
    summary: "what the datapath stamps entries with; upstream's may use jiffies, as the status of its agent says",
    aliases: ["time-diff-clocksource-mode"],
    options: ["ktime", "jiffies"] as const,
    default: "ktime" as const,
    helpGroup: "TARGET",
  })(),
  "clock-hz": boundedInteger({
    summary: "with --clock jiffies: how many a second",
    aliases: ["time-diff-clocksource-hz"],
    helpValue: "HZ",
    helpGroup: "TARGET",
    default: 250,
    min: 1,
    max: 10_000,
  }),
};

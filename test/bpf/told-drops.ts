import type { DatapathHarness } from "./harness.js";

/** What records told of drops since the last call, in the words of `drops()`, which says what was counted. */
export function toldDrops({ events }: Pick<DatapathHarness, "events">): readonly string[] {
  return events.drain().drops.map(({ reason, file, direction }) => `${reason} ${file} ${direction}`);
}

import { table } from "../markdown-table.js";
import { describeCpu, describeRate } from "../rounds.js";
import { median, ratioOfPairs } from "../statistics.js";
import type { ProcessCost } from "./process-cost.js";
import { computingWay, type ListCost, type ProfilePart, profileParts, type ReadingResults } from "./results.js";

/** What reading maps costs, as a part of the page. */
export function renderReading(results: ReadingResults): string {
  return [
    "### Reading maps",
    "",
    `Commit \`${results.commit}\`, ${results.startedAt}, Node ${results.node}; load average before it: ${results.loadBefore.toFixed(1)}.`,
    ...results.leftOut.map((line) => `Not measured: ${line}.`),
    "",
    ...listSection(results.lists),
    ...profileSection(results),
    ...scanSection(results),
    ...changingSection(results),
    ...waitSection(results),
    ...trafficSection(results),
  ].join("\n");
}

function middle(runs: readonly ProcessCost[], pick: (cost: ProcessCost) => number): number {
  return median(runs.map(pick));
}

function listSection(lists: readonly ListCost[]): readonly string[] {
  const dump = lists.find(({ what }) => what === "bpftool map dump pinned");
  const rows = lists.map((list) => {
    const { map, what, runs, outputBytes = 0 } = list;
    const firstByte =
      runs[0]?.firstByteSeconds === undefined ? "" : inMs(middle(runs, (run) => run.firstByteSeconds ?? 0));
    return [
      map,
      `\`${what}\``,
      `${middle(runs, ({ seconds }) => seconds).toFixed(2)} s`,
      `${middle(runs, ({ cpuSeconds }) => cpuSeconds).toFixed(2)} s`,
      `${(Math.max(...runs.map(({ peakRssBytes }) => peakRssBytes)) / 1e6).toFixed(0)} MB`,
      firstByte,
      outputBytes === 0 ? "" : `${(outputBytes / 1e6).toFixed(1)} MB`,
      dump === undefined || dump.map !== map || outputBytes === 0 ? "" : timesFaster(dump, list),
    ];
  });
  const head = [
    "map",
    "command",
    "time",
    "CPU time",
    "peak memory",
    "first byte",
    "written",
    "bpftool's time beside it",
  ];
  return [
    "Whole processes from start to end, output to a file; medians of the rounds, of memory the most.",
    "",
    table(head, rows),
    "",
  ];
}

function inMs(seconds: number): string {
  return `${(seconds * 1_000).toFixed(0)} ms`;
}

/** How many of these lists fit into the time of one dump, pair by pair. */
function timesFaster(dump: ListCost, list: ListCost): string {
  if (dump === list) return "1";
  const seconds = ({ runs }: ListCost): readonly number[] => runs.map((run) => run.seconds);
  const { median: ratio, low, high } = ratioOfPairs(seconds(dump), seconds(list));
  return `**${ratio.toFixed(1)}** × (${low.toFixed(1)}–${high.toFixed(1)})`;
}

function profileSection({ profile }: ReadingResults): readonly string[] {
  if (profile.length === 0) return [];
  const ms = (seconds: number): string => (seconds * 1_000).toFixed(0);
  const parts = Object.entries(profileParts).map(([part, label]) => {
    const cells = profile.map(({ parts, entries }) => {
      const seconds = parts[part as ProfilePart];
      return part === "startUp" ? ms(seconds) : `${ms(seconds)} (${((seconds * 1e6) / entries).toFixed(2)})`;
    });
    return [label, ...cells];
  });
  const sums = profile.map(({ parts }) => ms(Object.values(parts).reduce((sum, one) => sum + one, 0)));
  const whole = profile.map(({ processCpuSeconds }) => ms(processCpuSeconds));
  const entries = (profile[0]?.entries ?? 0).toLocaleString("en-US");
  return [
    `#### Where the CPU time of a list of ${entries} entries goes`,
    "",
    "Milliseconds, and in brackets microseconds an entry. Each part is run by the command's own modules in a process of its",
    "own, with the parts before it, whose time is taken off. The least of the rounds.",
    "",
    table(
      ["part", ...profile.map(({ output }) => `-o ${output}`)],
      [...parts, ["sum", ...sums], ["the whole process, measured from outside", ...whole]],
    ),
    "",
  ];
}

function scanSection({ scans }: ReadingResults): readonly string[] {
  if (scans.length === 0) return [];
  const rows = scans.map(({ map, scan }) => [
    map,
    scan.walk === "buckets" ? "bucket walk" : "batches",
    inMs(scan.seconds),
    scan.slices === undefined ? "none" : scan.slices.count.toLocaleString("en-US"),
    scan.slices === undefined ? "" : `${scan.slices.p99Ms.toFixed(2)} ms`,
    scan.slices === undefined ? "" : `${scan.slices.longestMs.toFixed(2)} ms`,
  ]);
  const head = ["map", "read by", "scan alone", "batch calls", "99 % of them held a CPU for at most", "the longest"];
  return ["#### How long the reading holds a CPU", "", table(head, rows), ""];
}

function changingSection({ changing }: ReadingResults): readonly string[] {
  if (changing.length === 0) return [];
  const rate = Math.round(changing[0]?.changesPerSecond ?? 0).toLocaleString("en-US");
  const rows = changing.map((read) => [
    `${read.seconds.toFixed(2)} s`,
    read.entries.toLocaleString("en-US"),
    read.state,
    `${read.restarts}`,
    `${read.longestSliceMs.toFixed(2)} ms`,
  ]);
  return [
    `#### 500,000 entries under ${rate} changes a second`,
    "",
    "A process on core 1 adds and deletes connections; the reader (`-o jsonl`) has core 0.",
    "",
    table(["time", "entries", "state", "restarts", "longest slice"], rows),
    "",
  ];
}

function waitSection({ waits }: ReadingResults): readonly string[] {
  if (waits.length === 0) return [];
  const ms = (seconds: number): string => `${(seconds * 1_000).toFixed(2)} ms`;
  const rows = waits.map((wait) => [
    wait.beside,
    wait.samples.toLocaleString("en-US"),
    ms(wait.p99Seconds),
    ms(wait.longestSeconds),
  ]);
  return [
    "#### How long somebody else waits for the reader's core",
    "",
    "A task on the same core that wants to wake up every millisecond, while lists run in a loop there.",
    "",
    table(["beside", "wake-ups", "99 % late by at most", "the latest"], rows),
    "",
  ];
}

function trafficSection({ traffic }: ReadingResults): readonly string[] {
  if (traffic === undefined) return [];
  const [nobody] = traffic.series;
  const computing = traffic.series.find(({ name }) => name === computingWay);
  const rows = traffic.series.map((series) => [
    series.name,
    describeRate(traffic.mode, median(series.values)),
    describeRatio(series.values, nobody?.values),
    describeCpu(traffic.mode, median(series.clientCpuSeconds ?? [Number.NaN])),
    describeRatio(series.clientCpuSeconds, nobody?.clientCpuSeconds),
    describeRatio(series.clientCpuSeconds, computing?.clientCpuSeconds),
  ]);
  const head = [
    "meanwhile",
    "median",
    "beside nobody reading",
    "the client's CPU time",
    "beside nobody",
    "beside the loop",
  ];
  return [
    "#### What reading does to traffic",
    "",
    "TCP_CRR through a Service, client and server on core 1; the map that is read holds 500,000 entries and is the one that",
    "these connections are tracked in. Ratios with their 95 % intervals.",
    "",
    table(head, rows),
    "",
  ];
}

function describeRatio(values: readonly number[] | undefined, baseline: readonly number[] | undefined): string {
  if (values === undefined || baseline === undefined) return "";
  if (values === baseline) return "1";
  const { median: ratio, low, high } = ratioOfPairs(values, baseline);
  return `**${ratio.toFixed(3)}** (${low.toFixed(3)}–${high.toFixed(3)})`;
}

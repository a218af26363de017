import { table } from "../markdown-table.js";
import type { TrafficResult } from "../results.js";
import { describeCpu, describeRate } from "../rounds.js";
import { describeRatio, median } from "../statistics.js";
import type { StageResults } from "./stage.js";

/** What a stage measured, as a part of the page. */
export function renderStage(results: StageResults): string {
  const { title, commit, startedAt, node, loadBefore, settings } = results;
  return [
    `### ${title}`,
    "",
    `Commit \`${commit}\`, ${startedAt}, Node ${node}; ${settings.rounds} rounds of ${settings.seconds} s; load average before it: ${loadBefore.toFixed(1)}.`,
    "",
    ...trafficTable(results.traffic ?? []),
    ...results.tables.flatMap(({ title: heading, intro, head, rows }) => [
      `#### ${heading}`,
      "",
      intro,
      "",
      table(head, rows),
      "",
    ]),
  ].join("\n");
}

function trafficTable(results: readonly TrafficResult[]): readonly string[] {
  if (results.length === 0) return [];
  const head = [
    "what",
    "where",
    "Services",
    "client and server on",
    "way",
    "median",
    "beside (95 % interval)",
    "CPU",
    "beside",
  ];
  return [table(head, results.flatMap(trafficRows)), ""];
}

function trafficRows({
  mode,
  scope,
  services,
  cores,
  baseline,
  series,
}: TrafficResult): readonly (readonly string[])[] {
  const base = series.find(({ name }) => name === baseline);
  return series.map(({ name, values, cpuSeconds }) => {
    const beside = (own: readonly number[], others: readonly number[]): string =>
      name === baseline ? "1" : describeRatio(own, others);
    return [
      ...[
        mode,
        scope,
        services.toLocaleString("en-US"),
        cores,
        name,
        describeRate(mode, median(values)),
        beside(values, base?.values ?? []),
      ],
      ...[describeCpu(mode, median(cpuSeconds)), beside(cpuSeconds, base?.cpuSeconds ?? [])],
    ];
  });
}

import type { BenchResults } from "./results.js";
import { type Ratio, ratioOfPairs } from "./statistics.js";

const width = 720;
const height = 360;
const plot = { left: 60, right: 20, top: 40, bottom: 50 };
const colours = ["#1f6feb", "#d29922", "#cf222e", "#2da44e", "#8250df"] as const;

interface Point {
  readonly services: number;
  readonly ratio: Ratio;
}

/** New connections on one node beside the plain way, by number of Services, one line a way. */
function flatnessLines(results: BenchResults): ReadonlyMap<string, readonly Point[]> {
  const lines = new Map<string, Point[]>();
  const chosen = results.traffic.filter(
    ({ scope, mode, cores }) => scope === "same node" && mode === "TCP_CRR" && cores === "two cores",
  );
  for (const { services, baseline, series } of chosen) {
    const plain = series.find(({ name }) => name === baseline)?.values ?? [];
    for (const { name, values } of series.filter((one) => one.name !== baseline)) {
      const points = lines.get(name) ?? [];
      points.push({ services, ratio: ratioOfPairs(values, plain) });
      lines.set(name, points);
    }
  }
  return lines;
}

/** Services 1 … 100,000 on a logarithmic axis. */
function x(services: number): number {
  return plot.left + ((width - plot.left - plot.right) * Math.log10(services)) / 5;
}

const highestRatio = 1.6;
function y(ratio: number): number {
  return plot.top + (height - plot.top - plot.bottom) * (1 - Math.min(ratio, highestRatio) / highestRatio);
}

function text(left: number, top: number, content: string, attributes = ""): string {
  return `<text x="${left.toFixed(1)}" y="${top.toFixed(1)}" ${attributes}>${content}</text>`;
}

function axes(): string[] {
  const rows = [0, 0.25, 0.5, 0.75, 1, 1.25, 1.5].flatMap((ratio) => [
    `<line x1="${plot.left}" x2="${width - plot.right}" y1="${y(ratio).toFixed(1)}" y2="${y(ratio).toFixed(1)}" stroke="${ratio === 1 ? "#57606a" : "#d0d7de"}"/>`,
    text(plot.left - 8, y(ratio) + 4, ratio.toFixed(2), 'text-anchor="end"'),
  ]);
  const columns = [1, 10, 100, 1_000, 10_000, 100_000].map((services) =>
    text(x(services), height - plot.bottom + 20, services.toLocaleString("en-US"), 'text-anchor="middle"'),
  );
  return [...rows, ...columns, text(width / 2, height - 10, "Services", 'text-anchor="middle"')];
}

function line(name: string, points: readonly Point[], index: number): string[] {
  const colour = colours[index % colours.length];
  const path = points.map(({ services, ratio }) => `${x(services).toFixed(1)},${y(ratio.median).toFixed(1)}`).join(" ");
  const marks = points.flatMap(({ services, ratio }) => [
    `<line x1="${x(services).toFixed(1)}" x2="${x(services).toFixed(1)}" y1="${y(ratio.low).toFixed(1)}" y2="${y(ratio.high).toFixed(1)}" stroke="${colour}"/>`,
    `<circle cx="${x(services).toFixed(1)}" cy="${y(ratio.median).toFixed(1)}" r="3.5" fill="${colour}"/>`,
  ]);
  const legend = text(
    plot.left + 10 + 165 * (index % 4),
    plot.top - 12 - 14 * Math.floor(index / 4),
    name,
    `fill="${colour}"`,
  );
  return [`<polyline points="${path}" fill="none" stroke="${colour}" stroke-width="2"/>`, ...marks, legend];
}

/** An SVG of its own, without script or font: it shows on any page. */
export function plotFlatness(results: BenchResults): string {
  const lines = [...flatnessLines(results)].flatMap(([name, points], index) => line(name, points, index));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${height}" fill="white"/>`,
    ...axes(),
    ...lines,
    "</svg>",
    "",
  ].join("\n");
}

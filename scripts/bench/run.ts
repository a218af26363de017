/**
 * The benchmarks: see docs/benchmarks.md.
 *
 *   npm run bench [-- --quick] [--rounds N] [--seconds S] [--services 1,1000,…] [--only NAME] [--no-write]
 *
 * NAME: traffic, reading, or one of stages/stages.ts.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BenchLab } from "./bench-lab.js";
import { Cleanup } from "./cleanup.js";
import { agentCost, timeCommands } from "./command-costs.js";
import { openKubeProxy } from "./kube-proxy.js";
import { sweepNamespaces } from "./namespaces.js";
import { measurePrograms } from "./program-costs.js";
import { renderReading } from "./reading/report.js";
import type { ReadingResults } from "./reading/results.js";
import { measureReading } from "./reading/stage.js";
import { writeReport } from "./report.js";
import { type BenchResults, describeCommit, describeMachine, type Evidence, type TrafficResult } from "./results.js";
import { describeCpu, describeRate, measureRounds, type RoundSettings } from "./rounds.js";
import { openRoutedVeth } from "./routed-veth.js";
import { renderStage } from "./stages/report.js";
import { runStage, stageNames } from "./stages/stages.js";
import { median, ratioOfPairs } from "./statistics.js";
import type { Topology } from "./topology.js";
import { type Mode, modes } from "./traffic.js";
import { openTwoNodes, type TwoNodes } from "./two-nodes.js";

const docs = join(import.meta.dirname, "../../docs");
/** kube-proxy's own lists of this length take minutes to load; nobody runs that. */
const mostKubeProxyServices = 10_000;
const overlay: TwoNodes = { family: 4, between: "kernel VXLAN" };

interface Bench {
  readonly settings: RoundSettings;
  readonly labs: readonly BenchLab[];
  readonly veth: readonly Topology[];
  readonly vxlan: readonly Topology[];
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function printResult(result: TrafficResult): TrafficResult {
  const [plain] = result.series;
  for (const { name, values, cpuSeconds } of result.series) {
    const { median: ratio, low, high } = ratioOfPairs(values, plain?.values ?? []);
    const cpu = `${describeCpu(result.mode, median(cpuSeconds))} ${ratioOfPairs(cpuSeconds, plain?.cpuSeconds ?? []).median.toFixed(3)}`;
    const rate = describeRate(result.mode, median(values)).padStart(14);
    const interval = `${ratio.toFixed(3)} (${low.toFixed(3)}–${high.toFixed(3)})`;
    print(
      `${result.scope}, ${result.cores}  ${result.mode.padEnd(7)} ${`${result.services}`.padStart(6)}  ${name.padEnd(28)} ${rate}  ${interval}  cpu ${cpu}`,
    );
  }
  return result;
}

interface TrafficStage {
  readonly services: number;
  readonly cores: TrafficResult["cores"];
  readonly modes: readonly Mode[];
  readonly labs: readonly BenchLab[];
  /** Beside ours on one node. */
  readonly others: readonly Topology[];
}

/** Each mode on one node and across two, beside the plain topologies. */
async function measureTraffic(
  bench: Bench,
  { labs, others, ...stage }: TrafficStage,
): Promise<readonly TrafficResult[]> {
  const scopes = [
    ["same node", [...bench.veth, ...others, ...labs.map((lab) => lab.sameNode)]],
    ["across nodes", [...bench.vxlan, ...labs.map((lab) => lab.acrossNodes)]],
  ] as const;
  const { services, cores } = stage;
  const results: TrafficResult[] = [];
  for (const mode of stage.modes) {
    for (const [scope, topologies] of scopes) {
      results.push(printResult(await measureRounds({ services, cores, mode, scope }, topologies, bench.settings)));
    }
  }
  return results;
}

/** One stage: everything with so many Services. The first one measures every mode, the others what may depend on the number. */
async function runTrafficStage(bench: Bench, services: number, isFirst: boolean): Promise<readonly TrafficResult[]> {
  const cleanup = new Cleanup();
  const { labs } = bench;
  try {
    for (const lab of labs) await lab.growTo(services);
    const others =
      services <= mostKubeProxyServices
        ? [cleanup.use(await openKubeProxy("kube-proxy, iptables", `k${services}`, services))]
        : [];
    const chosen: readonly Mode[] = isFirst ? modes : ["TCP_CRR"];
    const results = await measureTraffic(bench, { services, cores: "two cores", modes: chosen, labs, others });
    if (!isFirst) return results;
    // Without wake-ups of another core, which cost a guest more than a packet's whole way: the work itself.
    const oneCore = { services, cores: "one core", modes, labs: labs.slice(0, 1), others: [] } as const;
    return [...results, ...(await measureTraffic(bench, oneCore))];
  } finally {
    await cleanup[Symbol.asyncDispose]();
  }
}

async function openBench(cleanup: Cleanup, settings: RoundSettings): Promise<Bench> {
  await sweepNamespaces();
  return {
    settings,
    veth: [
      cleanup.use(await openRoutedVeth("plain: routed veth", "va")),
      cleanup.use(await openRoutedVeth("plain again (A/A)", "vb")),
    ],
    vxlan: [
      cleanup.use(await openTwoNodes("plain: kernel VXLAN", "xa", overlay)),
      cleanup.use(await openTwoNodes("plain again (A/A)", "xb", overlay)),
    ],
    labs: [
      cleanup.use(await BenchLab.open("bench-socket", "socket LB")),
      cleanup.use(await BenchLab.open("bench-packet", "per-packet LB")),
    ],
  };
}

type Save = (results: BenchResults) => void;

/** Measures traffic and saves after each stage: what takes an hour shall not be lost to its last minute. */
async function runTraffic(stages: readonly number[], settings: RoundSettings, save: Save): Promise<BenchResults> {
  const cleanup = new Cleanup();
  const { rounds, seconds } = settings;
  let results: BenchResults = {
    version: 3,
    startedAt: new Date().toISOString(),
    commit: describeCommit(),
    machine: describeMachine(),
    settings: { rounds, seconds },
    traffic: [],
    programs: measurePrograms(),
    evidence: [],
    commands: [],
    agents: [],
  };
  try {
    const bench = await openBench(cleanup, settings);
    const [lab] = bench.labs as readonly [BenchLab];
    results = { ...results, commands: await timeCommands(lab, 10) };
    for (const services of stages) {
      const traffic = [...results.traffic, ...(await runTrafficStage(bench, services, services === stages[0]))];
      const evidence: Evidence[] = [...results.evidence];
      for (const one of bench.labs) evidence.push(await one.evidence());
      const agents = [...results.agents, await agentCost(lab, services, seconds >= 5 ? 30 : 10)];
      results = { ...results, traffic, evidence, agents };
      save(results);
    }
    return results;
  } finally {
    await cleanup[Symbol.asyncDispose]();
  }
}

const rawPath = join(docs, "benchmarks/latest.json");

/** The results that the page shows now. @throws Error when they are of another form */
function readLatest(): BenchResults {
  const latest = JSON.parse(readFileSync(rawPath, "utf8")) as BenchResults;
  if (latest.version !== 3) throw new Error(`${rawPath} is of another version: measure everything, without --only`);
  return latest;
}

function write(results: BenchResults): void {
  mkdirSync(join(docs, "benchmarks"), { recursive: true });
  writeFileSync(rawPath, `${JSON.stringify(results, null, 1)}\n`);
  writeReport(results, join(docs, "benchmarks.md"), join(docs, "benchmarks/flatness.svg"));
}

const groups = ["traffic", "reading", ...stageNames] as const;

interface Plan {
  readonly chosen: readonly (typeof groups)[number][];
  /** Of the traffic: so many Services each. */
  readonly services: readonly number[];
  readonly settings: RoundSettings;
  readonly isQuick: boolean;
  readonly save: Save;
}

function readPlan(signal: AbortSignal): Plan {
  const { values } = parseArgs({
    options: {
      quick: { type: "boolean", default: false },
      rounds: { type: "string" },
      seconds: { type: "string" },
      services: { type: "string" },
      only: { type: "string" },
      "no-write": { type: "boolean", default: false },
    },
  });
  const isQuick = values.quick;
  const chosen = groups.filter((group) => values.only === undefined || values.only === group);
  if (chosen.length === 0) throw new Error(`--only takes one of ${groups.join(", ")}, not ${values.only}`);
  return {
    chosen,
    isQuick,
    services: (values.services ?? (isQuick ? "1,1000" : "1,1000,10000,50000")).split(",").map(Number),
    settings: {
      signal,
      rounds: Number(values.rounds ?? (isQuick ? 3 : 10)),
      seconds: Number(values.seconds ?? (isQuick ? 1 : 5)),
    },
    save: (results) => (values["no-write"] ? undefined : write(results)),
  };
}

async function main(): Promise<void> {
  const stop = new AbortController();
  for (const name of ["SIGINT", "SIGTERM"] as const)
    process.once(name, () => stop.abort(new Error(`ended by ${name}`)));
  const { chosen, services, settings, isQuick, save } = readPlan(stop.signal);
  // What is not measured now stays on the page.
  const { reading, stages } = chosen.length === groups.length ? {} : readLatest();
  const saveTraffic: Save = (results) => save({ ...results, reading, stages });
  let results = chosen.includes("traffic") ? await runTraffic(services, settings, saveTraffic) : readLatest();
  results = { ...results, reading, stages };
  if (chosen.includes("reading")) {
    results = { ...results, reading: await measureReading(settings, { isQuick, print }) };
    save(results);
    print(renderReading(results.reading as ReadingResults));
  }
  for (const name of stageNames.filter((one) => chosen.includes(one))) {
    const measured = await runStage(name, { settings, isQuick, print });
    results = { ...results, stages: { ...results.stages, [name]: measured } };
    save(results);
    print(renderStage(measured));
  }
}

await main();

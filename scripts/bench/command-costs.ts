import { spawn } from "node:child_process";
import { createReadStream, createWriteStream, readFileSync } from "node:fs";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { type LabRecord, labRecordFile, labsRoot } from "../../src/model/lab-record.js";
import { type BenchLab, cli } from "./bench-lab.js";
import { fillConntrack } from "./full-conntrack.js";
import type { AgentCost, CommandTime, MapRead } from "./results.js";
import { run } from "./shell.js";

/** Wall time of commands a user types, each run `runs` times. */
export async function timeCommands(lab: BenchLab, runs: number): Promise<readonly CommandTime[]> {
  const commands = [
    ["--help"],
    ["version"],
    ["bpf", "tunnel", "list", "--lab", lab.name],
    ["bpf", "ct", "list", "--lab", lab.name, "--limit", "10"],
    ["service", "list", "--lab", lab.name],
  ];
  const times: CommandTime[] = [];
  for (const args of commands) {
    const milliseconds: number[] = [];
    for (let index = 0; index < runs; index++) {
      const startedMs = performance.now();
      await run(cli, args);
      milliseconds.push(performance.now() - startedMs);
    }
    times.push({ command: args.join(" "), milliseconds });
  }
  return times;
}

function statusBytes(pid: number, field: "VmRSS" | "VmHWM"): number {
  const line = readFileSync(`/proc/${pid}/status`, "utf8").match(new RegExp(`^${field}:\\s+(\\d+) kB`, "m"));
  return Number(line?.[1] ?? 0) * 1024;
}

/** User and system ticks (1/100 s), fields 14 and 15 of proc(5)'s stat. */
function cpuTicks(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8")
    .replace(/^.*\) /, "")
    .split(" ");
  return Number(fields[11]) + Number(fields[12]);
}

/** Memory and idle CPU share of the first node's agent. */
export async function agentCost(lab: BenchLab, services: number, idleSeconds: number): Promise<AgentCost> {
  const path = join(labsRoot, lab.name, "nodes/bench-1/agent.pid");
  const { pid } = JSON.parse(readFileSync(path, "utf8")) as { readonly pid: number };
  await delay(5_000);
  const before = cpuTicks(pid);
  await delay(idleSeconds * 1_000);
  return { services, rssBytes: statusBytes(pid, "VmRSS"), cpuShare: (cpuTicks(pid) - before) / 100 / idleSeconds };
}

/** What stands once in every entry's text. */
const entryMarks: Readonly<Record<string, string>> = {
  table: " TCP ",
  json: '"map":"tcp4"',
  cilium: " expires=",
  "cilium-json": '"SourceAddr"',
};

async function countEntries(path: string, output: string): Promise<number> {
  const mark = entryMarks[output] ?? "";
  let count = 0;
  for await (const line of createInterface({ input: createReadStream(path) })) if (line.includes(mark)) count++;
  return count;
}

/** Runs the list into a file and watches its memory meanwhile. @throws Error when entries are missing in it */
async function readToFile(
  args: readonly string[],
  path: string,
  { entries, output }: Pick<MapRead, "entries" | "output">,
): Promise<MapRead> {
  const startedMs = performance.now();
  const child = spawn(cli, args, { stdio: ["ignore", "pipe", "inherit"] });
  const file = createWriteStream(path);
  child.stdout.pipe(file);
  let peakRssBytes = 0;
  const timer = setInterval(() => {
    try {
      peakRssBytes = Math.max(peakRssBytes, statusBytes(child.pid ?? 0, "VmHWM"));
    } catch {
      // It has just ended.
    }
  }, 10);
  const code = await new Promise((resolve) => child.once("close", resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}`);
  const seconds = (performance.now() - startedMs) / 1_000;
  const shown = await countEntries(path, output);
  if (shown < entries) throw new Error(`${args.join(" ")} shows ${shown} of ${entries} entries`);
  return { entries, output, seconds, peakRssBytes, outputBytes: (await stat(path)).size };
}

/** `bpf ct list` of a full map, in the forms people redirect to files. */
export async function readFullConntrack(lab: BenchLab, entries: number): Promise<readonly MapRead[]> {
  const path = join(labsRoot, lab.name, labRecordFile);
  const record = JSON.parse(readFileSync(path, "utf8")) as LabRecord;
  const node = record.nodes.find(({ name }) => name === "bench-2");
  if (node === undefined) throw new Error("the lab has no node bench-2");
  fillConntrack(`/proc/${node.initPid}/root/sys/fs/bpf/tc/globals/cilium_ct4_global`, entries);
  const folder = await mkdtemp(join(tmpdir(), "cts-b-"));
  try {
    const reads: MapRead[] = [];
    for (const output of ["table", "json", "cilium"]) {
      const args = ["bpf", "ct", "list", "--lab", lab.name, "--node", "bench-2", "-o", output];
      reads.push(await readToFile(args, join(folder, "list"), { entries, output }));
    }
    return reads;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

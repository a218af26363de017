import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { labsRoot } from "../../src/model/lab-record.js";
import { type BenchLab, cli } from "./bench-lab.js";
import type { AgentCost, CommandTime } from "./results.js";
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

function residentBytes(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB/m);
  return Number(line?.[1] ?? 0) * 1024;
}

/** User and system ticks (1/100 s), fields 14 and 15 of proc(5)'s stat. */
export function cpuTicks(pid: number): number {
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
  return { services, rssBytes: residentBytes(pid), cpuShare: (cpuTicks(pid) - before) / 100 / idleSeconds };
}

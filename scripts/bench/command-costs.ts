import { readdirSync, readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
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

export function residentBytes(pid: number): number {
  const line = readFileSync(`/proc/${pid}/status`, "utf8").match(/^VmRSS:\s+(\d+) kB/m);
  return Number(line?.[1] ?? 0) * 1024;
}

/** CPU time of all threads, as the scheduler counts it: ticks miss what a timer wakes for a moment. */
export function cpuSecondsOf(pid: number): number {
  const spent = readdirSync(`/proc/${pid}/task`).map((thread) => {
    const [onCpuNs] = readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ");
    return Number(onCpuNs) / 1e9;
  });
  return spent.reduce((sum, seconds) => sum + seconds, 0);
}

/** Memory and idle CPU share of the first node's agent. */
export async function agentCost(lab: BenchLab, services: number, idleSeconds: number): Promise<AgentCost> {
  const pid = lab.agentPid;
  await delay(5_000);
  const before = cpuSecondsOf(pid);
  await delay(idleSeconds * 1_000);
  return { services, rssBytes: residentBytes(pid), cpuShare: (cpuSecondsOf(pid) - before) / idleSeconds };
}

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { cpus, totalmem } from "node:os";
import type { ReadingResults } from "./reading/results.js";
import type { StageResults } from "./stages/stage.js";
import type { Cores, Mode } from "./traffic.js";

/** One run of the benchmarks, as it is kept beside docs/benchmarks.md. */
export interface BenchResults {
  readonly version: 3;
  readonly startedAt: string;
  readonly commit: string;
  readonly machine: Machine;
  readonly settings: { readonly rounds: number; readonly seconds: number };
  readonly traffic: readonly TrafficResult[];
  readonly programs: readonly ProgramCost[];
  readonly evidence: readonly Evidence[];
  readonly commands: readonly CommandTime[];
  readonly agents: readonly AgentCost[];
  readonly reading?: ReadingResults | undefined;
  /** By name. */
  readonly stages?: Readonly<Record<string, StageResults>> | undefined;
}

export interface Machine {
  readonly processor: string;
  readonly cores: number;
  readonly memoryBytes: number;
  readonly kernel: string;
  readonly node: string;
}

/** Topologies measured in the same rounds: `series[*].values[i]` all belong to round i. */
export interface TrafficResult {
  readonly scope: "same node" | "across nodes" | "out of the node";
  readonly services: number;
  readonly mode: Mode;
  readonly cores: Cores;
  /** Name of the series that the others are compared with. */
  readonly baseline: string;
  readonly series: readonly TrafficSeries[];
}

export interface TrafficSeries {
  readonly name: string;
  /** Transactions a second; bits a second for `STREAM`. */
  readonly values: readonly number[];
  /** CPU time of the whole machine for one transaction; for one bit of `STREAM`. */
  readonly cpuSeconds: readonly number[];
  /** Of the client alone, which no work of others adds to. Older results have none. */
  readonly clientCpuSeconds?: readonly number[] | undefined;
}

/** A program's run over a packet in memory (`BPF_PROG_TEST_RUN`): the least of many. */
export interface ProgramCost {
  readonly packet: string;
  readonly nanoseconds: number;
}

/** What a datapath of ours says about itself after the traffic: proof that it did its work meanwhile. */
export interface Evidence {
  readonly topology: string;
  readonly services: number;
  readonly conntrackEntries: number;
  readonly forwardedPackets: number;
  readonly frontends: number;
}

export interface CommandTime {
  readonly command: string;
  readonly milliseconds: readonly number[];
}

export interface AgentCost {
  readonly services: number;
  readonly rssBytes: number;
  /** Share of one core over an idle span. */
  readonly cpuShare: number;
}

export function describeMachine(): Machine {
  return {
    processor: cpus()[0]?.model ?? "unknown",
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: readFileSync("/proc/sys/kernel/osrelease", "utf8").trim(),
    node: process.version,
  };
}

/** The commit measured, with `+` when the work tree differs from it. */
export function describeCommit(): string {
  const git = (...args: string[]): string => execFileSync("git", args, { encoding: "utf8" }).trim();
  const dirty = git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "+";
  return `${git("rev-parse", "--short=12", "HEAD")}${dirty}`;
}

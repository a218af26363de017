import type { TrafficResult } from "./results.js";
import type { Measurement, Topology } from "./topology.js";
import type { Mode } from "./traffic.js";

export interface RoundSettings {
  readonly rounds: number;
  readonly seconds: number;
  /** Ends the run between two measurements, so that what was made is removed. */
  readonly signal: AbortSignal;
}

/**
 * Measures every topology once a round, in an order that moves on each round: what disturbs the machine for a while
 * disturbs all of them, and none is always the first after a pause.
 */
export async function measureRounds(
  frame: Omit<TrafficResult, "series" | "baseline">,
  topologies: readonly Topology[],
  settings: RoundSettings,
): Promise<TrafficResult> {
  const measured = topologies.map((): Measurement[] => []);
  // Neighbours, conntrack tables and the CPUs' clocks settle before the first round counts.
  const { mode, cores } = frame;
  for (const topology of topologies) await topology.measure({ mode, cores, seconds: 0.3 });
  for (let round = 0; round < settings.rounds; round++) {
    for (let step = 0; step < topologies.length; step++) {
      settings.signal.throwIfAborted();
      const index = (round + step) % topologies.length;
      measured[index]?.push(await (topologies[index] as Topology).measure({ mode, cores, seconds: settings.seconds }));
    }
  }
  const series = topologies.map(({ name }, index) => {
    const one = measured[index] ?? [];
    return {
      name,
      values: one.map(({ rate }) => rate),
      cpuSeconds: one.map(({ cpuSeconds }) => cpuSeconds),
      clientCpuSeconds: one.map(({ clientCpuSeconds }) => clientCpuSeconds),
    };
  });
  return { ...frame, baseline: series[0]?.name ?? "", series };
}

/** CPU time for one transaction, or for a gigabit of a stream. */
export function describeCpu(mode: Mode, cpuSeconds: number): string {
  return mode === "STREAM" ? `${(cpuSeconds * 1e12).toFixed(0)} ms/Gbit` : `${(cpuSeconds * 1e6).toFixed(1)} µs`;
}

export function describeRate(mode: Mode, rate: number): string {
  return mode === "STREAM" ? `${(rate / 1e9).toFixed(1)} Gbit/s` : `${Math.round(rate).toLocaleString("en-US")}/s`;
}

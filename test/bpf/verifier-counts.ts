import { readFileSync } from "node:fs";
import { release } from "node:os";
import type { AgentConfig } from "../../src/model/agent-config.js";
import { DatapathHarness } from "./harness.js";

/** What the verifier is asked about: each configuration closes and opens other branches. */
export const configurations: Readonly<Record<string, Partial<AgentConfig>>> = {
  default: {},
  "all events": { monitorAggregation: "none", ctAccounting: true },
  "no events": { eventsDrop: false, eventsTrace: false },
  "IPv4 and IPv6": { enableIpv6: true },
  "direct server return": { enableIpv6: true, routingMode: "native", lbMode: "dsr" },
  "packets in packets": { enableIpv6: true, routingMode: "native", lbMode: "dsr", lbDsrDispatch: "ipip" },
  "IPv6 only": { enableIpv4: false, enableIpv6: true },
  "host firewall": { enableHostFirewall: true },
};

/** Instructions that the verifier processed, by program. */
export type ProgramCounts = Readonly<Record<string, number>>;
/** By configuration. */
export type VerifierCounts = Readonly<Record<string, ProgramCounts>>;

/** `BPF_COMPLEXITY_LIMIT_INSNS` of 5.2 and newer; what a program may use of it, so that the next kernel takes it too. */
const KERNEL_LIMIT = 1_000_000;
const MOST = KERNEL_LIMIT / 2;

/** Growth that is nobody's business: a tenth, or a few instructions of a small program. */
const TOLERATED = { share: 0.1, instructions: 200 } as const;

/** Found from the folder beside too, where the emulator runs this. */
const recordPath = new URL("../bpf/verifier-counts.json", import.meta.url);

/** Kernels verify differently, so each has its own numbers: `6.18`. */
export const kernelName = release().split(".").slice(0, 2).join(".");

/** By kernel; made by `scripts/record-verifier-counts.ts`. */
export function readRecordedCounts(): Readonly<Record<string, VerifierCounts>> {
  return JSON.parse(readFileSync(recordPath, "utf8")) as Record<string, VerifierCounts>;
}

export function countConfiguration(name: string): ProgramCounts {
  using datapath = new DatapathHarness(configurations[name]);
  return countPrograms(datapath);
}

export function countPrograms({ programs }: DatapathHarness): ProgramCounts {
  return Object.fromEntries(Object.entries(programs).map(([name, { info }]) => [name, info.verifiedInsns]));
}

/** What is wrong with the counts of a configuration, a line each. Kernels that nobody recorded have only the limit. */
export function judgeCounts(
  configuration: string,
  counts: ProgramCounts,
  recorded: VerifierCounts = {},
): readonly string[] {
  return Object.entries(counts).flatMap(([program, count]) => {
    const before = recorded[configuration]?.[program];
    const problems: string[] = [];
    if (count > MOST) problems.push(`${program} (${configuration}): ${count} instructions, more than ${MOST}`);
    if (before !== undefined && count > before * (1 + TOLERATED.share) && count > before + TOLERATED.instructions)
      problems.push(`${program} (${configuration}): ${before} → ${count} instructions`);
    return problems;
  });
}

export const howToAccept =
  "accept new numbers with: npx tsx scripts/record-verifier-counts.ts (--emulated for Linux 6.1)";

import { join } from "node:path";
import { findRelease, isSince, type Release, releases } from "../abi/release.js";
import { BpfProgram, type ProgramInfo } from "../kernel/bpf-program.js";
import { listProgramIds } from "../kernel/object-ids.js";
import { KernelError } from "../lib/errors.js";
import { exchangeOverSocket } from "../lib/socket-exchange.js";
import type { ReleaseEvidence } from "./release.js";

/** Programs that upstream's agents load in some releases only, by the 15 characters of the name that the kernel keeps. */
const programNames: readonly (readonly [name: string, first: Release, last: Release])[] = [
  ["handle_policy", "1.14", "1.17"],
  ["cil_from_networ", "1.14", "1.19"],
  ["cil_to_wireguar", "1.16", "1.20"],
  ["cil_from_wiregu", "1.18", "1.20"],
  ["cil_lxc_policy", "1.18", "1.20"],
  ["cil_host_policy", "1.18", "1.20"],
  ["cil_sock_releas", "1.18", "1.20"],
];

/** What the names of the programs say that use the node's maps. @param mapIds of the pinned maps */
export function programEvidence(mapIds: ReadonlySet<number>): readonly ReleaseEvidence[] {
  const found = new Set<string>();
  for (const id of listProgramIds()) {
    const info = programInfo(id);
    if (info?.mapIds.some((map) => mapIds.has(map))) found.add(info.name);
  }
  return programNames
    .filter(([name]) => found.has(name))
    .map(([name, first, last]) => ({
      text: `a program ${name} uses the maps`,
      releases: releases.filter((release) => isSince(release, first) && isSince(last, release)),
    }));
}

/** Undefined when the program was unloaded meanwhile. */
function programInfo(id: number): ProgramInfo | undefined {
  try {
    using program = BpfProgram.openById(id);
    return program.info;
  } catch (error) {
    if (error instanceof KernelError && error.details.errno === "ENOENT") return undefined;
    throw error;
  }
}

/** Where upstream's agent serves its API, below the node's root. */
const agentSocket = "var/run/cilium/cilium.sock";

/** What upstream's agent says it is; nothing when none answers, or with a release that we do not know. */
export async function agentEvidence(root: string, signal?: AbortSignal): Promise<readonly ReleaseEvidence[]> {
  const question = { method: "GET", path: "/v1/healthz", timeoutMs: 1000, signal } as const;
  const answer = await exchangeOverSocket(join(root, agentSocket), question).catch(() => undefined);
  const version = answer === undefined ? undefined : versionIn(answer.text);
  const release = version === undefined ? undefined : findRelease(version);
  return release === undefined ? [] : [{ text: `the agent says it is ${version}`, releases: [release] }];
}

/** `1.20.0-dev` of `{"cilium":{"msg":"1.20.0-dev (v1.20.0-dev-0abb991080)"}}`. */
function versionIn(text: string): string | undefined {
  try {
    const message: unknown = JSON.parse(text)?.cilium?.msg;
    return typeof message === "string" ? /^\d+\.\d+\.[0-9A-Za-z.+-]{1,40}/.exec(message)?.[0] : undefined;
  } catch {
    return undefined;
  }
}

import { declaredLayout } from "../abi/declared-layouts.js";
import type { StructLayout } from "../abi/layout.js";
import { findRelease, type Release, releases } from "../abi/release.js";
import { BpfProgram, type ProgramInfo } from "../kernel/bpf-program.js";
import { type BtfType, btfTypesByName } from "../kernel/btf.js";
import { listProgramIds } from "../kernel/object-ids.js";
import { KernelError } from "../lib/errors.js";
import { isReleaseSince } from "../model/upstream-release.js";

import type { ReleaseEvidence } from "./release.js";
import { fieldOf, readUpstreamHealth } from "./upstream-agent.js";

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

/** What the programs say that use the node's maps: their names, and how their types lie. @param mapIds of the pinned maps */
export function programEvidence(mapIds: ReadonlySet<number>): readonly ReleaseEvidence[] {
  const users = listProgramIds().flatMap((id) => {
    const info = programInfo(id);
    return info?.mapIds.some((map) => mapIds.has(map)) === true ? [info] : [];
  });
  return [...nameEvidence(new Set(users.map(({ name }) => name))), ...typeEvidence(users)];
}

function nameEvidence(found: ReadonlySet<string>): readonly ReleaseEvidence[] {
  return programNames
    .filter(([name]) => found.has(name))
    .map(([name, first, last]) => ({
      text: `a program ${name} uses the maps`,
      releases: releases.filter((release) => isReleaseSince(release, first) && isReleaseSince(last, release)),
    }));
}

/** Structures that have changed between releases. */
const tellingStructs = [
  "ct_entry",
  "policy_entry",
  "endpoint_info",
  "remote_endpoint_info",
  "lb4_service",
  "drop_notify",
  "trace_notify",
  "policy_verdict_notify",
  "trace_sock_notify",
] as const;

/** Programs whose types are read: all of one agent are of one release, but in the middle of an upgrade. */
const programsRead = 4;

function typeEvidence(users: readonly ProgramInfo[]): readonly ReleaseEvidence[] {
  const newest = users
    .filter(({ btfId }) => btfId !== 0)
    .sort((a, b) => Number(b.loadTimeNs - a.loadTimeNs))
    .slice(0, programsRead);
  const byStruct = new Map<string, ReleaseEvidence>();
  for (const { btfId, name } of newest) {
    for (const [struct, type] of btfTypesByName(btfId, tellingStructs)) {
      const fitting = releases.filter((release) => isLaidOutAs(type, declaredLayout(struct, release)));
      if (fitting.length === releases.length || byStruct.has(struct)) continue;
      byStruct.set(struct, { text: `struct ${struct} in the types of program ${name}`, releases: fitting });
    }
  }
  return [...byStruct.values()];
}

/** True when every field of the layout stands in the type, at the same bits. */
function isLaidOutAs(type: BtfType, layout: StructLayout | undefined): boolean {
  if (layout === undefined || type.kind !== "struct" || type.sizeBytes !== layout.sizeBytes) return false;
  const members = new Map(namedMembers(type, 0));
  return Object.entries(layout.fields).every(([name, field]) => {
    const at = members.get(name);
    // Members of named members (`tunnel_endpoint.ip4`) say no more than these.
    return name.includes(".") || at === 8 * field.offset + (field.bit?.shift ?? 0);
  });
}

/** Names and bit offsets, those of unnamed structures and unions as if they were the structure's own. */
function namedMembers(type: BtfType, base: number): readonly (readonly [name: string, bitOffset: number])[] {
  if (type.kind !== "struct" && type.kind !== "union") return [];
  return type.members.flatMap((member) => {
    const bitOffset = base + member.bitOffset;
    if (member.name !== "") return [[member.name, bitOffset] as const];
    return member.type === undefined ? [] : namedMembers(member.type, bitOffset);
  });
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

/** What upstream's agent says it is; nothing when none answers, or with a release that we do not know. */
export async function agentEvidence(root: string, signal?: AbortSignal): Promise<readonly ReleaseEvidence[]> {
  const version = versionIn(await readUpstreamHealth(root, signal));
  const release = version === undefined ? undefined : findRelease(version);
  return release === undefined ? [] : [{ text: `the agent says it is ${version}`, releases: [release] }];
}

/** `1.20.0-dev` of `{"cilium":{"msg":"1.20.0-dev (v1.20.0-dev-0abb991080)"}}`. */
function versionIn(health: unknown): string | undefined {
  const message = fieldOf(fieldOf(health, "cilium"), "msg");
  return typeof message === "string" ? /^\d+\.\d+\.[0-9A-Za-z.+-]{1,40}/.exec(message)?.[0] : undefined;
}

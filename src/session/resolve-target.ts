import { hostname } from "node:os";
import { NotFoundError, UsageError } from "../lib/errors.js";
import { didYouMean } from "../lib/nearest-name.js";
import { type LabRecord, labsRoot } from "../model/lab-record.js";
import { findLab, listRunningLabs } from "./lab-directory.js";
import { labNode, localNode, type ReadTerms } from "./local-session.js";
import type { SessionNode, SessionTarget } from "./session.js";

/** What the user said about where to look. */
export interface TargetSelection extends ReadTerms {
  readonly lab?: string | undefined;
  readonly isLocal?: boolean | undefined;
  /** Names of nodes to narrow to; empty means all. */
  readonly nodes?: readonly string[] | undefined;
  /** For tests; default {@link labsRoot}. */
  readonly labsRoot?: string | undefined;
}

/** A target with where its names come from. */
export type ResolvedTarget =
  | (SessionTarget & { readonly kind: "lab"; readonly lab: LabRecord })
  | (SessionTarget & { readonly kind: "local"; readonly agentSocket: string });

/** Where an agent of a node listens. */
const localAgentSocket = "/run/cilium-ts/agent.sock";
const localBpffs = "/sys/fs/bpf";

/**
 * Finds the nodes that a command shall ask: a lab by name, this machine, or the only lab that runs.
 * @throws UsageError `no-target`, `target-conflict`, `lab-ambiguous`; NotFoundError `lab-unknown`, `node-unknown`
 */
export async function resolveTarget(selection: TargetSelection): Promise<ResolvedTarget> {
  if (selection.isLocal === true && selection.lab !== undefined) {
    throw new UsageError("target-conflict", "--lab and --local exclude each other: name one of them");
  }
  const { isLocal, release, maxSliceMs, nowSeconds, jiffiesHz } = selection;
  const terms = { release, maxSliceMs, nowSeconds, jiffiesHz };
  const target = isLocal === true ? localTarget(terms) : labTarget(await chooseLab(selection), terms);
  return { ...target, nodes: narrowNodes(target, selection.nodes ?? []) };
}

function localTarget(terms: ReadTerms): ResolvedTarget {
  return {
    kind: "local",
    description: "this machine",
    agentSocket: localAgentSocket,
    nodes: [localNode({ ...terms, name: hostname(), bpffs: localBpffs, root: "/", agentSocket: localAgentSocket })],
  };
}

function labTarget(lab: LabRecord, terms: ReadTerms): ResolvedTarget {
  const nodes = lab.nodes.map((node) => labNode(node, terms));
  return { kind: "lab", lab, description: `lab "${lab.name}"`, nodes };
}

async function chooseLab(selection: TargetSelection): Promise<LabRecord> {
  const root = selection.labsRoot ?? labsRoot;
  if (selection.lab !== undefined) return findLab(selection.lab, root);
  const running = await listRunningLabs(root);
  if (running.length === 1) return running[0]!;
  if (running.length > 1) {
    throw new UsageError("lab-ambiguous", `${running.length} labs run on this machine: name the one you mean`, {
      nextSteps: running.map((lab) => `add --lab ${lab.name}`),
    });
  }
  throw new UsageError("no-target", "nowhere to look: no lab runs on this machine and --local was not given", {
    nextSteps: [
      "kubectl cilium-ts lab up -f manifests/   (start a lab, as root)",
      "add --local   (read this node's own kernel, as root)",
    ],
  });
}

function narrowNodes(target: SessionTarget, names: readonly string[]): readonly SessionNode[] {
  if (names.length === 0) return target.nodes;
  return names.map((name) => {
    const node = target.nodes.find((candidate) => candidate.name === name);
    if (node !== undefined) return node;
    const known = target.nodes.map((candidate) => candidate.name);
    throw new NotFoundError("node-unknown", `${target.description} has no node "${name}"${didYouMean(name, known)}`, {
      nextSteps: [`use one of: ${known.join(", ")}`],
    });
  });
}

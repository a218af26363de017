import { UsageError } from "../lib/errors.js";

/**
 * Kernel objects of a lab are called `ctslab-<lab>.<what>`. A lab's name holds no dot, so the first dot ends it: the
 * objects of lab `a` and those of lab `a-b` can never be taken for one another. Interfaces need no such names: all of them
 * live in namespaces of the lab.
 */
const PREFIX = "ctslab-";

/**
 * The agent's socket, `/run/cts-lab/<lab>/nodes/<node>/run/agent.sock`, must stay within the 107 bytes of a unix socket
 * address (unix(7)); the two limits keep it below 96.
 */
const LAB_NAME_MAX = 20;
const NODE_NAME_MAX = 40;

export const defaultLabName = "default";

/** @throws UsageError `lab-name` */
export function parseLabName(text: string): string {
  if (isLabName(text)) return text;
  throw new UsageError(
    "lab-name",
    `"${text}" is no name for a lab: lower-case letters, digits and inner dashes, at most ${LAB_NAME_MAX}`,
  );
}

export function isLabName(text: string): boolean {
  return text.length <= LAB_NAME_MAX && /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(text);
}

/** @throws UsageError `node-name` */
export function checkNodeName(name: string): void {
  if (name.length <= NODE_NAME_MAX && /^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/.test(name)) return;
  throw new UsageError(
    "node-name",
    `"${name}" is no name for a lab node: lower-case letters, digits, inner dashes and dots, at most ${NODE_NAME_MAX}`,
  );
}

export function fabricNetns(lab: string): string {
  return `${PREFIX}${lab}.fabric`;
}

export function nodeNetns(lab: string, node: string): string {
  return `${PREFIX}${lab}.node.${node}`;
}

export function podNetns(lab: string, podUid: string): string {
  return `${PREFIX}${lab}.pod.${podUid}`;
}

/** The lab that a network namespace belongs to; undefined for foreign ones. */
export function labOfNetns(name: string): string | undefined {
  if (!name.startsWith(PREFIX)) return undefined;
  const dot = name.indexOf(".");
  const lab = dot < 0 ? "" : name.slice(PREFIX.length, dot);
  return isLabName(lab) ? lab : undefined;
}

/** Uid of the pod that owns this namespace of `lab`; undefined when it is no pod's. */
export function podUidOfNetns(lab: string, name: string): string | undefined {
  const prefix = podNetns(lab, "");
  return name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
}

/** Name of the node that owns this namespace of `lab`; undefined when it is no node's. */
export function nodeOfNetns(lab: string, name: string): string | undefined {
  const prefix = nodeNetns(lab, "");
  return name.startsWith(prefix) ? name.slice(prefix.length) : undefined;
}

export const NETNS_DIR = "/run/netns";

export function netnsPath(name: string): string {
  return `${NETNS_DIR}/${name}`;
}

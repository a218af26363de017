import { addressPort, IpAddress } from "../../lib/ip.js";
import type { DropEvent } from "../../model/datapath-port.js";
import { protocolName } from "../../model/protocol-names.js";
import { fetchAgentDrops } from "../../session/agent-client.js";
import type { ResolvedTarget } from "../../session/resolve-target.js";
import { askAgents } from "../agent-sockets.js";
import type { Connection } from "./connections.js";
import type { EndTest, WhichQuestion } from "./which-question.js";

/** A packet that the agent of a node has seen dropped. */
export type NodeDrop = DropEvent<string> & { readonly node: string };

/**
 * Looks among the last drops that the agents of all nodes remember, the oldest first: the receiver's node may be the one
 * that dropped. Whoever does not answer has seen none.
 */
export async function findDrops(
  target: ResolvedTarget,
  wanted: {
    readonly question: WhichQuestion;
    readonly sources: readonly string[];
    readonly isDestination: EndTest;
  },
): Promise<readonly NodeDrop[]> {
  const answers = await askAgents(target, fetchAgentDrops);
  return answers
    .flatMap(({ node, answer = [] }) => answer.map((drop) => ({ ...drop, node })))
    .filter((drop) => isOfQuestion(drop, wanted))
    .sort((a, b) => a.timeMs - b.timeMs);
}

/** The connection's own packets, before or after a Service's backend took its frontend's place. */
export function isOfConnection(
  { packet }: NodeDrop,
  { protocol, source, sourcePort, frontend, backend }: Connection,
): boolean {
  if (packet?.protocol !== protocol || packet.source !== source.text || packet.sourcePort !== sourcePort) return false;
  return [backend, frontend].some(
    (end) => end !== undefined && packet.destination === end.address.text && packet.destinationPort === end.port,
  );
}

/** `dropped 3 times, last … on node-2, to 10.244.0.2:8080/TCP: Policy denied (policy.h:155)`; nothing of no drops. */
export function dropText(drops: readonly NodeDrop[]): string | undefined {
  const last = drops.at(-1);
  if (last === undefined) return undefined;
  const { node, reasonText, direction, file, line, timeMs, packet } = last;
  const address = IpAddress.tryParse(packet?.destination ?? "");
  const end =
    address && packet ? `${addressPort(address, packet.destinationPort)}/${protocolName(packet.protocol)}` : "";
  const times = drops.length === 1 ? "once" : `${drops.length} times`;
  const where = direction === "unknown" ? "" : `, ${direction}`;
  const at = new Date(timeMs).toISOString();
  return `dropped ${times}, last ${at} on ${node}, to ${end}${where}: ${reasonText} (${file}:${line})`;
}

function isOfQuestion(
  { packet }: NodeDrop,
  { question, sources, isDestination }: Parameters<typeof findDrops>[1],
): boolean {
  const address = IpAddress.tryParse(packet?.destination ?? "");
  if (packet === undefined || address === undefined || !sources.includes(packet.source)) return false;
  const { protocol, destinationPort: port } = packet;
  return (
    (question.protocol === undefined || question.protocol === protocol) &&
    (question.port === undefined || question.port === port) &&
    isDestination({ address, port, protocol })
  );
}

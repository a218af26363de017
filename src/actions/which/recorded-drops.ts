import { IpAddress } from "../../lib/ip.js";
import type { DropEvent } from "../../model/datapath-port.js";
import { fetchAgentDrops } from "../../session/agent-client.js";
import type { ResolvedTarget } from "../../session/resolve-target.js";
import { askAgents } from "../agent-sockets.js";
import type { EndTest, WhichQuestion } from "./which-question.js";

/** Packets of the question that agents have seen dropped. */
export interface DropFinding {
  readonly count: number;
  readonly last: DropEvent<string> & { readonly node: string };
}

/**
 * Looks among the last drops that the agents of all nodes remember: the receiver's node may be the one that dropped. Whoever
 * does not answer has seen none.
 */
export async function findDrops(
  target: ResolvedTarget,
  wanted: {
    readonly question: WhichQuestion;
    readonly sources: readonly string[];
    readonly isDestination: EndTest;
  },
): Promise<DropFinding | undefined> {
  const answers = await askAgents(target, fetchAgentDrops);
  const drops = answers
    .flatMap(({ node, answer = [] }) => answer.map((drop) => ({ ...drop, node })))
    .filter((drop) => isOfQuestion(drop, wanted))
    .sort((a, b) => a.timeMs - b.timeMs);
  const last = drops.at(-1);
  return last && { count: drops.length, last };
}

function isOfQuestion(
  { packet }: DropEvent<string>,
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

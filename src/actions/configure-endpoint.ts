import { AgentError, NotFoundError, UsageError } from "../lib/errors.js";
import {
  type EndpointOptionName,
  type EndpointOptionRow,
  type EventOptions,
  endpointOptions,
} from "../model/event-options.js";
import type { EndpointRow } from "../model/rows.js";
import { configureAgentEndpoint } from "../session/agent-client.js";
import { agentSockets } from "./agent-sockets.js";
import { listEndpoints } from "./list-endpoints.js";
import type { Target } from "./open-target.js";
import { collectRows, finishedList, type RowList } from "./row-list.js";

/**
 * Options of one endpoint, after a change where one is asked for.
 * @param endpoint id on its node, `[namespace/]pod` or address
 * @throws NotFoundError, UsageError for none and for several endpoints; AgentError where its agent does not answer
 */
export async function configureEndpoint(
  target: Target,
  choice: { readonly endpoint: string; readonly namespace?: string | undefined },
  change: Partial<EventOptions>,
): Promise<RowList<EndpointOptionRow>> {
  const { node, id, podNamespace, podName } = await findEndpoint(target, choice);
  const socket = agentSockets(target.resolved).find((one) => one.node === node);
  if (socket === undefined) throw new AgentError("agent-down", `nobody knows the agent of endpoint ${choice.endpoint}`);
  const { options, own } = await configureAgentEndpoint(socket.path, { endpointId: id, change });
  const names = Object.keys(endpointOptions).sort() as EndpointOptionName[];
  const rows = names.map((option): EndpointOptionRow => {
    const { field } = endpointOptions[option];
    const origin = own.includes(field) ? "endpoint" : "node";
    return { node: socket.node, endpointId: id, podNamespace, podName, option, value: options[field], origin };
  });
  return finishedList(rows);
}

async function findEndpoint(
  target: Target,
  choice: { readonly endpoint: string; readonly namespace?: string | undefined },
): Promise<EndpointRow> {
  const found = await collectRows(await listEndpoints(target, choice));
  const [first, second] = found;
  if (first === undefined) {
    throw new NotFoundError("endpoint-unknown", `${target.description} has no endpoint "${choice.endpoint}"`, {
      nextSteps: ["kubectl cilium-ts endpoint list"],
    });
  }
  if (second === undefined) return first;
  const places = found.map(({ node, podNamespace, podName }) => `${podNamespace}/${podName} on ${node}`);
  throw new UsageError("endpoint-ambiguous", `"${choice.endpoint}" may be ${places.join(", or ")}`);
}

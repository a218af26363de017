import { type CiliumEndpoint, resourceTypes } from "../model/kubernetes.js";
import type { EndpointRow } from "../model/rows.js";
import { fetchAgentEndpoints } from "../session/agent-client.js";
import { askAgents } from "./agent-sockets.js";
import type { NameIndex } from "./names/name-index.js";
import type { Target } from "./open-target.js";
import { compareBy, finishedList, type RowList } from "./row-list.js";
import { findNamed, type RowSelection } from "./row-selection.js";

/** Endpoints as the nodes' agents list them; of an agent that does not answer, as it published them in the state. */
export async function listEndpoints(
  target: Target,
  selection: RowSelection & {
    /** Endpoint id, `[namespace/]pod` or address. */
    readonly endpoint?: string | undefined;
  },
): Promise<RowList<EndpointRow>> {
  const names = await target.names();
  const answers = await askAgents(target.resolved, fetchAgentEndpoints);
  const failures = answers.flatMap(({ failure }) => failure ?? []);
  // Without a state there is nobody else to ask.
  if (target.state === undefined && failures.length > 0) throw failures[0];
  const silent = answers.flatMap(({ node, failure }) => (failure === undefined ? [] : [node]));
  const published = silent.length === 0 ? [] : await publishedEndpoints(target, silent, names);
  const answered = answers.flatMap(({ node, answer }) =>
    (answer ?? []).map((row) => ({ ...row, node: row.node ?? node })),
  );
  const rows = [...answered, ...published];
  const isNamed = endpointFilter(selection, names);
  const { endpoint } = selection;
  const isWanted = (row: EndpointRow): boolean => isNamed(row) && (endpoint === undefined || isCalled(row, endpoint));
  const notes = silent.map(
    (node) => `${node}: its agent does not answer: endpoints as it published them, without their policy`,
  );
  return finishedList(rows.filter(isWanted).sort(byNode), [...target.notes, ...notes]);
}

const byNode = compareBy<EndpointRow>(
  (row) => row.node,
  (row) => row.id,
);

function endpointFilter(selection: RowSelection, names: NameIndex): (row: EndpointRow) => boolean {
  const pods = (selection.pods ?? []).map((name) => findNamed("pod", name, selection, names.document.pods));
  const identities = selection.identities ?? [];
  return (row) =>
    (selection.namespace === undefined || row.podNamespace === selection.namespace) &&
    (pods.length === 0 || pods.some((pod) => pod.namespace === row.podNamespace && pod.name === row.podName)) &&
    (identities.length === 0 || identities.includes(row.identity));
}

function isCalled(row: EndpointRow, text: string): boolean {
  return [String(row.id), row.ipv4, row.ipv6, row.podName, `${row.podNamespace}/${row.podName}`].includes(text);
}

function fromObject(endpoint: CiliumEndpoint, names: NameIndex): EndpointRow {
  const { status } = endpoint;
  const address = status?.networking?.addressing[0];
  return {
    node: names.nodeOf(address?.ipv4 ?? "") ?? names.nodeOf(status?.networking?.node ?? ""),
    id: status?.id ?? 0,
    identity: status?.identity?.id ?? 0,
    identityLabels: status?.identity?.labels ?? [],
    ipv4: address?.ipv4,
    ipv6: address?.ipv6,
    state: status?.state ?? "unknown",
    policyEnforcement: "unknown",
    podNamespace: status?.["external-identifiers"]?.["k8s-namespace"] ?? endpoint.metadata.namespace,
    podName: status?.["external-identifiers"]?.["k8s-pod-name"] ?? endpoint.metadata.name,
    containerId: status?.["external-identifiers"]?.["container-id"],
  };
}

async function publishedEndpoints(
  { state }: Target,
  nodes: readonly string[],
  names: NameIndex,
): Promise<readonly EndpointRow[]> {
  const objects = (await state?.list(resourceTypes.ciliumEndpoints))?.items ?? [];
  const rows = objects.map((endpoint) => fromObject(endpoint, names));
  return rows.filter(({ node }) => node === undefined || nodes.includes(node));
}

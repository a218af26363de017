import type { LbBackendRow, LbServiceRow, ServiceBackend, ServiceRow } from "../model/rows.js";
import type { NameIndex } from "./names/name-index.js";
import type { Target } from "./open-target.js";
import { readNodes } from "./read-nodes.js";
import { collectRows, compareBy, type RowList } from "./row-list.js";
import { type RowSelection, resolveSelection } from "./row-selection.js";

/** Flag bits of a service entry. Release 1.20, bpf/lib/common.h */
const flagExternalLocal = 1 << 2;
const flag2InternalLocal = 1 << 4;

/**
 * Services as the datapath balances them: one row for each frontend of each node, with its backends. Put together from
 * the maps, so it is what packets meet, and works while agents are down.
 */
export async function listServices(
  target: Target,
  selection: RowSelection,
  options: { readonly signal: AbortSignal },
): Promise<RowList<ServiceRow>> {
  const names = await target.names(selection);
  const filter = resolveSelection(selection, names);
  const states = readNodes(target, "lb-backends", {}, options);
  const slots = readNodes(target, "lb-services", { filter }, options);
  return {
    rows: (async function* () {
      const stateByBackend = await indexBackends(states);
      const rows = await collectRows(slots);
      await target.learnServices(rows.map(({ address, port }) => ({ address, port })));
      const services = groupSlots(rows, stateByBackend, names);
      if (services.length > 0) yield services;
    })(),
    status: slots.status,
  };
}

async function indexBackends(list: RowList<LbBackendRow>): Promise<ReadonlyMap<string, LbBackendRow>> {
  const rows = await collectRows(list);
  return new Map(rows.map((row) => [`${row.node} ${row.address.family} ${row.backendId}`, row]));
}

function groupSlots(
  rows: readonly LbServiceRow[],
  backends: ReadonlyMap<string, LbBackendRow>,
  names: NameIndex,
): readonly ServiceRow[] {
  const groups = new Map<string, LbServiceRow[]>();
  for (const row of rows) {
    const key = `${row.node} ${row.address.text} ${row.port} ${row.protocol} ${row.scope}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  return [...groups.values()]
    .flatMap((group) => toService(group, backends, names) ?? [])
    .sort(
      compareBy(
        (row) => row.node,
        (row) => row.id,
        (row) => row.frontend.address,
        (row) => row.frontend.port,
      ),
    );
}

/**
 * A group without a master is being written or removed: no packet can meet it. A master of port 0 and any protocol
 * drops what a frontend's address does not serve; it is no service.
 */
function toService(
  group: readonly LbServiceRow[],
  backends: ReadonlyMap<string, LbBackendRow>,
  names: NameIndex,
): ServiceRow | undefined {
  const master = group.find((row) => row.slot === 0);
  if (master === undefined || (master.port === 0 && master.protocol === 0)) return undefined;
  const slots = group.filter((row) => row.slot > 0).sort(compareBy((row) => row.slot));
  const name = ownerName(master, slots, names);
  return {
    node: master.node,
    id: master.revNatId,
    frontend: { address: master.address, port: master.port, protocol: master.protocol },
    scope: master.scope,
    serviceType: master.serviceType,
    ...name,
    externalTrafficPolicy: (master.flags & flagExternalLocal) === 0 ? "Cluster" : "Local",
    internalTrafficPolicy: (master.flags2 & flag2InternalLocal) === 0 ? "Cluster" : "Local",
    affinityTimeoutSeconds: master.affinityTimeoutSeconds,
    backends: slots.flatMap((slot) => toBackend(slot, master, backends, names) ?? []),
  };
}

/** The Service; of a host port the pod, in the words that upstream makes a Service of it with. */
function ownerName(
  { address, port, protocol, serviceType }: LbServiceRow,
  [slot]: readonly LbServiceRow[],
  names: NameIndex,
): Pick<ServiceRow, "name" | "namespace" | "healthCheckNodePort"> {
  if (serviceType !== "HostPort") {
    const { namespace, name, healthCheckNodePort } = names.serviceOfFrontend(address, port, protocol) ?? {};
    return { namespace, name, healthCheckNodePort };
  }
  const pod = slot?.backend === undefined ? undefined : names.podOf(slot.backend.address);
  if (pod === undefined) return {};
  const uid = pod.uid === undefined ? "" : `:${pod.uid}`;
  return { namespace: pod.namespace, name: `hostport:${pod.name}:${port}${uid}` };
}

function toBackend(
  slot: LbServiceRow,
  master: LbServiceRow,
  backends: ReadonlyMap<string, LbBackendRow>,
  names: NameIndex,
): ServiceBackend | undefined {
  if (slot.backend === undefined) return undefined;
  const { address } = slot.backend;
  const known = backends.get(`${slot.node} ${address.family} ${slot.backendId}`);
  return {
    ...slot.backend,
    // Slots past the count of active backends hold the quarantined ones.
    state: known?.state ?? (slot.slot > master.count ? "quarantined" : "unknown"),
    nodeName: names.nodeOf(address.text),
    podName: names.ofAddress(address),
  };
}

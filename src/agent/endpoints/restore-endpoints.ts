import type { Logger } from "../../lib/log.js";
import { Turns } from "../../lib/turns.js";
import { waitForAll } from "../../lib/wait-for-all.js";
import type { DatapathPort } from "../../model/datapath-port.js";
import { HOST_ENDPOINT_ID } from "../../model/host-endpoint.js";
import type { AddressPools } from "../ipam/address-pools.js";
import type { LinkPort } from "./endpoint-link.js";
import type { EndpointProgrammer } from "./endpoint-programmer.js";
import type { EndpointRecord } from "./endpoint-record.js";
import type { EndpointStore } from "./endpoint-store.js";
import type { EndpointTable } from "./endpoint-table.js";

export interface RestoreOptions {
  readonly datapath: DatapathPort;
  readonly store: EndpointStore;
  readonly links: LinkPort;
  readonly pools: AddressPools;
  readonly table: EndpointTable;
  readonly programmer: EndpointProgrammer;
  /** Whether the node itself is an endpoint: its policy stays. */
  readonly hasHostEndpoint: boolean;
  readonly log: Logger;
}

export interface RestoredEndpoints {
  readonly living: readonly EndpointRecord[];
  /** Half made, half removed, or without their interface: in the table still, to be removed by the manager. */
  readonly dead: readonly EndpointRecord[];
  /** Ids that must not be handed out, because their record cannot be read. */
  readonly reservedIds: ReadonlySet<number>;
  readonly problems: readonly string[];
}

/** Each removal starts a process, and all of them wait for one lock of the kernel. */
const removalsAtOnce = 4;

/**
 * What a former run left: living endpoints get their programs and maps compared and completed, pins that no record names
 * are removed. Nothing that is as it should be is touched.
 */
export async function restoreEndpoints(options: RestoreOptions): Promise<RestoredEndpoints> {
  const [loaded, links] = await Promise.all([options.store.load(), options.links.list()]);
  const sorted = sortRecords(loaded.records, links, options);
  for (const record of [...sorted.living, ...sorted.dead]) options.table.set(record);
  const reservedIds = new Set(loaded.unreadable.map(({ endpointId }) => endpointId));
  const isHost = (endpointId: number) => options.hasHostEndpoint && endpointId === HOST_ENDPOINT_ID;
  const unknown = options.datapath.endpoints
    .list()
    .filter(
      (endpointId) =>
        options.table.get(endpointId) === undefined && !reservedIds.has(endpointId) && !isHost(endpointId),
    );
  const turns = new Turns(removalsAtOnce);
  await waitForAll(unknown.map((endpointId) => turns.run(() => removeUnknown(endpointId, links, options))));
  await options.programmer.restore(sorted.living);
  const unreadable = loaded.unreadable.map(
    ({ endpointId, reason }) => `endpoint ${endpointId} is not managed, its record cannot be read: ${reason}`,
  );
  return { living: sorted.living, dead: sorted.dead, reservedIds, problems: [...unreadable, ...sorted.problems] };
}

/** The interface first: a pod that nobody knows must not go on without programs. */
async function removeUnknown(
  endpointId: number,
  links: ReadonlyMap<string, number>,
  { datapath, links: linkPort, log }: RestoreOptions,
): Promise<void> {
  log.info({ endpointId }, "removing what an unknown endpoint left in the kernel");
  const ifindex = await datapath.endpoints.interfaceOf(endpointId);
  const ifname = [...links].find(([, index]) => index === ifindex)?.[0];
  if (ifname !== undefined) await linkPort.remove(ifname);
  await datapath.endpoints.detach(endpointId);
}

function sortRecords(
  records: readonly EndpointRecord[],
  links: ReadonlyMap<string, number>,
  { pools, log }: RestoreOptions,
): { living: EndpointRecord[]; dead: EndpointRecord[]; problems: string[] } {
  const living: EndpointRecord[] = [];
  const dead: EndpointRecord[] = [];
  const problems: string[] = [];
  const isThere = (record: EndpointRecord): boolean =>
    record.state === "ready" && links.get(record.hostIfname) === record.ifindex;
  // Older ones first: of two with one address the one that had it first keeps it.
  for (const record of [...records].sort((a, b) => a.createdAt.localeCompare(b.createdAt))) {
    const { endpointId, hostIfname, addresses } = record;
    if (isThere(record) && pools.claim(addresses)) {
      living.push(record);
      continue;
    }
    if (isThere(record)) {
      problems.push(
        `endpoint ${endpointId} had the address ${addresses.join(" or ")} of another endpoint and was removed`,
      );
    }
    log.info({ endpointId, state: record.state, hostIfname }, "endpoint of a former run is gone");
    dead.push({ ...record, state: "deleting" });
  }
  return { living, dead, problems };
}

import { IpPrefix } from "../../lib/ip.js";
import { waitForAll } from "../../lib/wait-for-all.js";
import type { DatapathPort, EndpointEntry, IpcacheEntry } from "../../model/datapath-port.js";
import type { LocalNode } from "../nodes/local-node.js";
import type { EndpointRecord } from "./endpoint-record.js";
import type { EndpointTable } from "./endpoint-table.js";

/**
 * Brings the endpoints of the table into the kernel. What returns a promise waits for the kernel meanwhile: one such call at a time
 * for an endpoint, those of different endpoints overlap.
 */
export class EndpointProgrammer {
  readonly #datapath: DatapathPort;
  readonly #node: LocalNode;
  readonly #table: EndpointTable;

  constructor(options: { readonly datapath: DatapathPort; readonly node: LocalNode; readonly table: EndpointTable }) {
    this.#datapath = options.datapath;
    this.#node = options.node;
    this.#table = options.table;
  }

  /**
   * The record is in the table, its policy written. Maps first, programs last: the first packet finds everything, and what the
   * pod might send before is dropped.
   */
  async install(record: EndpointRecord): Promise<void> {
    this.writeTable();
    this.#datapath.updateIpcache({ upserted: ownIpcacheEntries(record), removed: [] });
    await this.#attach(record);
  }

  /** Identity changed, and policies know it: in place, connections go on. */
  update(record: EndpointRecord): void {
    this.#datapath.updateIpcache({ upserted: ownIpcacheEntries(record), removed: [] });
    this.writeTable();
  }

  /** The record is no longer in the table, or no longer ready. */
  async uninstall(record: EndpointRecord): Promise<void> {
    await this.#datapath.endpoints.detach(record.endpointId);
    this.writeTable();
    // An address may belong to another endpoint by now: a DEL that comes again must not take it away from that one.
    const removed = record.addresses.filter((address) => this.#table.findByAddress(address) === undefined);
    this.#datapath.updateIpcache({ upserted: [], removed: removed.map((address) => IpPrefix.host(address)) });
  }

  /**
   * After a restart: everything that outlived the agent is compared, only differences are written. Policies stay as they are
   * until the state is known.
   */
  async restore(records: readonly EndpointRecord[]): Promise<void> {
    await waitForAll(records.map((record) => this.#attach(record)));
    this.writeTable();
  }

  async #attach(record: EndpointRecord): Promise<void> {
    const { endpointId, ifindex, hostIfname } = record;
    await this.#datapath.endpoints.attach({ endpointId, ifindex, ifname: hostIfname });
  }

  writeTable(): void {
    this.#datapath.writeEndpoints({
      pods: this.#table.placed().flatMap(endpointEntries),
      hostAddresses: this.#node.addresses,
    });
  }
}

export function ownIpcacheEntries({ addresses, identity }: EndpointRecord): readonly IpcacheEntry[] {
  return addresses.map((address) => ({ prefix: IpPrefix.host(address), identity }));
}

function endpointEntries(record: EndpointRecord): readonly EndpointEntry[] {
  const { endpointId, ifindex, mac, hostMac: nodeMac, identity, eventOptions } = record;
  return record.addresses.map((address) => ({ endpointId, address, ifindex, mac, nodeMac, identity, eventOptions }));
}

import type { IpAddress } from "../../lib/ip.js";
import { attachmentKey, type EndpointRecord } from "./endpoint-record.js";

/** The endpoints of this node in memory, with the look-ups that the agent needs. */
export class EndpointTable {
  readonly #byId = new Map<number, EndpointRecord>();
  readonly #idByAttachment = new Map<string, number>();

  /** Adds, or replaces the record of the same endpoint id. */
  set(record: EndpointRecord): void {
    this.#byId.set(record.endpointId, record);
    this.#idByAttachment.set(attachmentKey(record), record.endpointId);
  }

  delete(endpointId: number): void {
    const record = this.#byId.get(endpointId);
    if (record === undefined) return;
    this.#byId.delete(endpointId);
    this.#idByAttachment.delete(attachmentKey(record));
  }

  get(endpointId: number): EndpointRecord | undefined {
    return this.#byId.get(endpointId);
  }

  findByAttachment(attachment: { readonly containerId: string; readonly ifName: string }): EndpointRecord | undefined {
    const endpointId = this.#idByAttachment.get(attachmentKey(attachment));
    return endpointId === undefined ? undefined : this.#byId.get(endpointId);
  }

  findByAddress(address: IpAddress): EndpointRecord | undefined {
    return this.ready().find((record) => record.address.equals(address));
  }

  /** The newest ready endpoint of a pod: a pod whose sandbox was made anew has two until the old one's DEL. */
  findByPod(podNamespace: string, podName: string): EndpointRecord | undefined {
    let newest: EndpointRecord | undefined;
    for (const record of this.#byId.values()) {
      if (record.state !== "ready" || record.podName !== podName || record.podNamespace !== podNamespace) continue;
      if (newest === undefined || record.createdAt >= newest.createdAt) newest = record;
    }
    return newest;
  }

  /** Every record, in the order of ids. */
  list(): readonly EndpointRecord[] {
    return [...this.#byId.values()].sort((a, b) => a.endpointId - b.endpointId);
  }

  /** Those that belong into the maps. */
  ready(): readonly EndpointRecord[] {
    return this.list().filter((record) => record.state === "ready");
  }

  get size(): number {
    return this.#byId.size;
  }
}

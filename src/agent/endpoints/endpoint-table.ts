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
    return this.placed().find((record) => record.addresses.some((own) => own.equals(address)));
  }

  /** The newest ready endpoint of a pod: a pod whose sandbox was made anew has two until the old one's DEL. */
  findByPod(podNamespace: string, podName: string): EndpointRecord | undefined {
    let newest: EndpointRecord | undefined;
    for (const record of this.ofPod(podNamespace, podName)) {
      if (record.state !== "ready") continue;
      if (newest === undefined || record.createdAt >= newest.createdAt) newest = record;
    }
    return newest;
  }

  /** Every endpoint of a pod, also one that is being made. */
  ofPod(podNamespace: string, podName: string): readonly EndpointRecord[] {
    return [...this.#byId.values()].filter(
      (record) => record.podName === podName && record.podNamespace === podNamespace,
    );
  }

  /** Every record, in the order of ids. */
  list(): readonly EndpointRecord[] {
    return [...this.#byId.values()].sort((a, b) => a.endpointId - b.endpointId);
  }

  /** Those whose ADD was answered. */
  ready(): readonly EndpointRecord[] {
    return this.list().filter((record) => record.state === "ready");
  }

  /** Those that belong into the maps: the ready ones, and those being made as soon as they have an interface. */
  placed(): readonly EndpointRecord[] {
    return this.list().filter(({ state, ifindex }) => state === "ready" || (state === "creating" && ifindex !== 0));
  }

  get size(): number {
    return this.#byId.size;
  }
}

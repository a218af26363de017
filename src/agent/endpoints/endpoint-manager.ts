import { IpPrefix } from "../../lib/ip.js";
import type { Logger } from "../../lib/log.js";
import { waitForAll } from "../../lib/wait-for-all.js";
import type { CniRequest, CniResult } from "../../model/cni.js";
import type { EventOptions } from "../../model/event-options.js";
import { CniError, CniErrorCode } from "../cni/cni-error.js";
import type { IdentityResolver, ResolvedIdentity } from "../identities/identity-resolver.js";
import type { AddressPools } from "../ipam/address-pools.js";
import type { LocalNode } from "../nodes/local-node.js";
import type { PolicyPort } from "../policy/policy-reconciler.js";
import { KeyedLock } from "../system/keyed-lock.js";
import type { EndpointLink, LinkAddress, LinkPort } from "./endpoint-link.js";
import type { EndpointProgrammer } from "./endpoint-programmer.js";
import {
  attachmentKey,
  type EndpointRecord,
  hostInterfaceName,
  INIT_IDENTITY,
  INIT_LABELS,
  pickEndpointId,
} from "./endpoint-record.js";
import type { EndpointStore } from "./endpoint-store.js";
import type { EndpointTable } from "./endpoint-table.js";
import { randomMacAddress } from "./mac-address.js";

export interface EndpointManagerOptions {
  readonly node: LocalNode;
  readonly pools: AddressPools;
  readonly savePools: () => Promise<void>;
  readonly table: EndpointTable;
  readonly store: EndpointStore;
  readonly links: LinkPort;
  readonly programmer: EndpointProgrammer;
  readonly identities: IdentityResolver;
  readonly policies: PolicyPort;
  /** Endpoint ids beside the table's that must not be handed out. */
  readonly isReserved: (endpointId: number) => boolean;
  readonly log: Logger;
}

/** ADD, CHECK and DEL of pods, and changes of a living endpoint. One step at a time for each attachment. */
export class EndpointManager {
  readonly #options: EndpointManagerOptions;
  readonly #lock = new KeyedLock();
  readonly #listeners = new Set<(record: EndpointRecord) => void>();

  constructor(options: EndpointManagerOptions) {
    this.#options = options;
  }

  /** Calls `listener` after every change of an endpoint, with its record after it. */
  onChanged(listener: (record: EndpointRecord) => void): void {
    this.#listeners.add(listener);
  }

  /** Idempotent: the same attachment gets the same answer as long as its interface lives. */
  add(request: CniRequest): Promise<CniResult> {
    return this.#lock.run(attachmentKey(request), async () => {
      const { table } = this.#options;
      const existing = table.findByAttachment(request);
      if (existing?.state === "ready" && existing.netns === request.netns && (await this.#isWhole(existing))) {
        return this.#result(existing);
      }
      if (existing !== undefined) await this.#remove(existing);
      return this.#result(await this.#create(request));
    });
  }

  /** Absence is success: the runtime may ask as often as it likes (CNI 1.0, DEL). */
  delete(attachment: { readonly containerId: string; readonly ifName: string }): Promise<void> {
    return this.#lock.run(attachmentKey(attachment), async () => {
      const record = this.#options.table.findByAttachment(attachment);
      if (record !== undefined) await this.#remove(record);
    });
  }

  /** @throws CniError 3 for an unknown attachment, 101 with every difference found */
  check(request: CniRequest): Promise<CniResult> {
    return this.#lock.run(attachmentKey(request), async () => {
      const record = this.#options.table.findByAttachment(request);
      if (record?.state !== "ready") {
        throw new CniError(CniErrorCode.unknownContainer, `container ${request.containerId} has no endpoint here`);
      }
      const problems = await this.#options.links.check(this.#link(record));
      if (problems.length > 0) {
        throw new CniError(CniErrorCode.checkFailed, `endpoint ${record.endpointId}: ${problems.join("; ")}`);
      }
      await this.#options.policies.admit(record);
      await this.#options.programmer.install(record);
      return this.#result(record);
    });
  }

  /** Labels of the pod, or of its namespace, changed. */
  async refreshIdentity(endpointId: number): Promise<void> {
    const known = this.#options.table.get(endpointId);
    if (known === undefined) return;
    await this.#lock.run(attachmentKey(known), async () => {
      const record = this.#options.table.get(endpointId);
      if (record?.state !== "ready") return;
      const resolved = await this.#options.identities.resolve(record);
      // A pod that is gone keeps its identity until its DEL.
      if (resolved === undefined) return;
      const isSame = resolved.identity === record.identity && resolved.podUid === record.podUid;
      if (isSame && resolved.labels.join() === record.labels.join()) return;
      const changed: EndpointRecord = { ...record, ...resolved };
      await this.#options.policies.admit(changed);
      this.#options.table.set(changed);
      this.#options.programmer.update(changed);
      await this.#options.store.save(changed);
      this.#options.log.info({ endpointId, from: record.identity, to: changed.identity }, "identity changed");
      this.#tell(changed);
    });
  }

  /** Changes what is told of an endpoint's packets; its record then, or undefined where it is not ready. */
  async configure(endpointId: number, change: Partial<EventOptions>): Promise<EndpointRecord | undefined> {
    const { table, programmer, store, log } = this.#options;
    const known = table.get(endpointId);
    if (known === undefined) return undefined;
    return await this.#lock.run(attachmentKey(known), async () => {
      const record = table.get(endpointId);
      if (record?.state !== "ready" || Object.keys(change).length === 0) return record;
      const changed: EndpointRecord = { ...record, eventOptions: { ...record.eventOptions, ...change } };
      table.set(changed);
      programmer.writeTable();
      await store.save(changed);
      log.info({ endpointId, ...change }, "options of an endpoint changed");
      return changed;
    });
  }

  /** Removes an endpoint whose interface is gone, or that a killed agent left half made. */
  remove(record: EndpointRecord): Promise<void> {
    return this.#lock.run(attachmentKey(record), async () => {
      if (this.#options.table.get(record.endpointId) !== undefined) await this.#remove(record);
    });
  }

  async #isWhole(record: EndpointRecord): Promise<boolean> {
    return (await this.#options.links.check(this.#link(record))).length === 0;
  }

  async #create(request: CniRequest): Promise<EndpointRecord> {
    const { table, store, programmer, log } = this.#options;
    const startedAt = performance.now();
    const draft = this.#draft(request);
    table.set(draft);
    try {
      // On disk before the first thing in the kernel: whatever a kill leaves behind is found and undone at the next start.
      await Promise.all([store.save(draft), this.#options.savePools()]);
      const [ifindex, resolved] = await waitForAll([this.#options.links.create(this.#link(draft)), this.#admit(draft)]);
      const placed: EndpointRecord = { ...draft, ifindex, ...resolved };
      table.set(placed);
      // The kernel takes its time with the programs; the pod's own side needs nothing of them.
      await waitForAll([programmer.install(placed), this.#options.links.configure(this.#link(placed))]);
      const record: EndpointRecord = { ...placed, state: "ready" };
      table.set(record);
      await store.save(record);
      const durationMs = Math.round(performance.now() - startedAt);
      log.info(
        {
          endpointId: record.endpointId,
          pod: podText(record),
          addresses: record.addresses.join(),
          identity: record.identity,
          durationMs,
        },
        "endpoint ready",
      );
      this.#tell(record);
      return record;
    } catch (error) {
      await this.#undo(draft);
      throw error;
    }
  }

  /** What the kernel takes for the policy passes while the interface is made. */
  async #admit(draft: EndpointRecord): Promise<ResolvedIdentity | undefined> {
    const resolved = await this.#options.identities.resolve(draft);
    await this.#options.policies.admit({ ...draft, ...resolved });
    return resolved;
  }

  #draft(request: CniRequest): EndpointRecord {
    const { table, pools, isReserved } = this.#options;
    const isUsed = (id: number): boolean => table.get(id) !== undefined || isReserved(id);
    const endpointId = pickEndpointId(attachmentKey(request), isUsed);
    return {
      version: 1,
      endpointId,
      state: "creating",
      containerId: request.containerId,
      ifName: request.ifName,
      netns: request.netns,
      podName: request.podName,
      podNamespace: request.podNamespace,
      ...(request.podUid === undefined ? {} : { podUid: request.podUid }),
      addresses: pools.allocate(),
      mac: randomMacAddress(),
      hostIfname: hostInterfaceName(request),
      hostMac: randomMacAddress(),
      ifindex: 0,
      mtu: request.mtu ?? this.#options.node.mtu,
      identity: INIT_IDENTITY,
      labels: INIT_LABELS,
      createdAt: new Date().toISOString(),
    };
  }

  /** After a failed ADD. What cannot be undone now stays recorded as "deleting"; DEL or the next start goes on. */
  async #undo(draft: EndpointRecord): Promise<void> {
    try {
      await this.#remove(draft);
    } catch (error) {
      this.#options.log.error({ endpointId: draft.endpointId, err: error }, "a failed attachment could not be undone");
    }
  }

  async #remove(record: EndpointRecord): Promise<void> {
    const { table, store, links, programmer, pools, log } = this.#options;
    const leaving: EndpointRecord = { ...record, state: "deleting" };
    table.set(leaving);
    this.#options.policies.release(record.endpointId);
    await store.save(leaving);
    // The interface first: from here on no packet of the pod can meet a half-removed endpoint.
    await links.remove(record.hostIfname);
    await programmer.uninstall(leaving);
    await store.delete(record.endpointId);
    table.delete(record.endpointId);
    pools.release(record.addresses.filter((address) => table.findByAddress(address) === undefined));
    log.info(
      { endpointId: record.endpointId, pod: podText(record), addresses: record.addresses.join() },
      "endpoint removed",
    );
    this.#tell(leaving);
  }

  #tell(record: EndpointRecord): void {
    for (const listener of this.#listeners) listener(record);
  }

  #link(record: EndpointRecord): EndpointLink & { readonly ifindex: number } {
    const { node } = this.#options;
    const overhead = node.mtu - node.routeMtu;
    return { ...record, addresses: this.#placedAddresses(record), routeMtu: record.mtu - overhead };
  }

  #result(record: EndpointRecord): CniResult {
    const addresses = this.#placedAddresses(record);
    return {
      cniVersion: "1.0.0",
      interfaces: [
        { name: record.hostIfname, mac: record.hostMac },
        { name: record.ifName, mac: record.mac, sandbox: record.netns },
      ],
      ips: addresses.map(({ address, gateway }) => {
        return { address: IpPrefix.host(address).text, gateway: gateway.text, interface: 1 };
      }),
      routes: addresses.flatMap(({ gateway }) => [
        { dst: IpPrefix.host(gateway).text },
        { dst: gateway.family === 4 ? "0.0.0.0/0" : "::/0", gw: gateway.text },
      ]),
    };
  }

  /** The addresses whose family this node has a gateway of: the others' family was switched off since. */
  #placedAddresses({ addresses }: EndpointRecord): readonly LinkAddress[] {
    const gateways = this.#options.node.podRanges.map(({ ciliumHostIp }) => ciliumHostIp);
    return addresses.flatMap((address) => {
      const gateway = gateways.find(({ family }) => family === address.family);
      return gateway === undefined ? [] : [{ address, gateway }];
    });
  }
}

function podText(record: EndpointRecord): string {
  return `${record.podNamespace}/${record.podName}`;
}

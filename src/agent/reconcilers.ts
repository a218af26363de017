import { IpAddress, IpPrefix } from "../lib/ip.js";
import type { Logger } from "../lib/log.js";
import { createWorkQueue, type WorkQueue } from "../lib/queue.js";
import { objectKey } from "../model/kube-object.js";
import type { StateSource } from "../state/state-source.js";
import type { AgentCaches } from "./agent-caches.js";
import type { EndpointManager } from "./endpoints/endpoint-manager.js";
import { publishEndpoint } from "./endpoints/endpoint-publisher.js";
import type { EndpointRecord } from "./endpoints/endpoint-record.js";
import type { EndpointTable } from "./endpoints/endpoint-table.js";
import type { LocalNode } from "./nodes/local-node.js";
import { publishNode } from "./nodes/node-publisher.js";
import { type RoutedRange, type RoutingSettings, syncRoutes } from "./nodes/node-routes.js";
import type { PolicyBook } from "./policy/policy-book.js";
import type { PolicyReconciler } from "./policy/policy-reconciler.js";
import type { StatusBoard } from "./status/status-board.js";

export interface ReconcilersOptions {
  readonly state: StateSource;
  readonly node: LocalNode;
  readonly config: RoutingSettings;
  readonly caches: AgentCaches;
  readonly policies: PolicyReconciler;
  readonly book: PolicyBook;
  readonly table: EndpointTable;
  readonly manager: EndpointManager;
  readonly status: StatusBoard;
  readonly log: Logger;
}

/** Changes of one burst meet within this time. */
const COALESCE_MS = 10;

/**
 * Everything that follows the state besides Services: which key of which concern to work on when an object changes. One queue:
 * `policy` (and the ipcache with it), `routes`, `node`, `identity/<endpoint id>`, `publish/<namespace>/<name>`.
 */
export class Reconcilers implements AsyncDisposable {
  readonly #options: ReconcilersOptions;
  readonly #queue: WorkQueue;
  readonly #stops: (() => void)[] = [];
  /** What is wrong, by key of the queue. */
  readonly #problems = new Map<string, readonly string[]>();

  constructor(options: ReconcilersOptions) {
    this.#options = options;
    const { log } = options;
    this.#queue = createWorkQueue({
      concurrency: 8,
      reconcile: async (key) => this.#setProblems(key, await this.#reconcile(key)),
      onError: (key, error, failures, retryInMs) => {
        // A conflict of two writers is nothing but the next try's business.
        log[failures > 2 ? "warn" : "debug"]({ err: error, key, failures, retryInMs }, "reconciliation failed");
        const words = error instanceof Error ? error.message : String(error);
        if (failures > 2) this.#setProblems(key, [`${key}: ${words}`]);
      },
    });
  }

  /** After the caches are ready: everything once, then whatever changes. Resolves when policies and ipcache are in place. */
  async start(): Promise<void> {
    this.#subscribe();
    await this.#startPolicies();
    for (const name of ["identities", "publish"]) this.#options.status.set(name, "ok");
    for (const key of ["routes", "node"]) this.#queue.add(key);
    for (const record of this.#options.table.ready()) {
      this.#queue.add(`identity/${record.endpointId}`);
      this.publish(record);
    }
    for (const endpoint of this.#options.caches.ciliumEndpoints.items().values()) {
      if (endpoint.status?.networking?.node === this.#options.node.internalIp.text) {
        this.#queue.add(`publish/${objectKey(endpoint.metadata)}`);
      }
    }
  }

  /** An endpoint came, changed or went: other nodes must learn it. */
  publish(record: EndpointRecord): void {
    this.#queue.add(`publish/${objectKey({ namespace: record.podNamespace, name: record.podName })}`);
  }

  /** Resolves when nothing waits or is tried again. */
  idle(): Promise<void> {
    return this.#queue.idle();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const stop of this.#stops) stop();
    await this.#queue.close();
  }

  #subscribe(): void {
    const { caches, node, table } = this.#options;
    this.#stops.push(
      caches.pods.onChange(({ key, after }) => {
        if (after === undefined) return;
        // Also those whose ADD runs: their labels may have been read already. The key waits for the ADD.
        for (const own of table.ofPod(after.metadata.namespace ?? "", after.metadata.name)) {
          this.#queue.add(`identity/${own.endpointId}`);
          this.#queue.add(`publish/${key}`);
        }
      }),
      caches.namespaces.onChange(({ key }) => {
        for (const record of table.list()) {
          if (record.podNamespace === key) this.#queue.add(`identity/${record.endpointId}`);
        }
      }),
      caches.ciliumEndpoints.onChange(({ key, before, after }) => {
        this.#queue.addAfter("policy", COALESCE_MS);
        const isOwn = [before, after].some((object) => object?.status?.networking?.node === node.internalIp.text);
        if (isOwn) this.#queue.addAfter(`publish/${key}`, COALESCE_MS);
      }),
      caches.ciliumNodes.onChange(({ key }) => {
        if (key === node.name) return this.#queue.add("node");
        this.#queue.addAfter("policy", COALESCE_MS);
        this.#queue.addAfter("routes", COALESCE_MS);
      }),
      // Its labels are what policies of nodes select by.
      caches.nodes.onChange(({ key }) => key === node.name && this.#queue.addAfter("policy", COALESCE_MS)),
      ...this.#subscribePolicies(),
    );
  }

  /** Brings one key to what it should be. Returns what stays wrong with it, in words. */
  async #reconcile(key: string): Promise<readonly string[]> {
    const { state, node, config, caches, table, manager } = this.#options;
    if (key === "policy") return this.#options.policies.reconcile();
    if (key === "routes") return syncRoutes(node, config, this.#routedRanges());
    if (key === "node") await publishNode(state, node);
    else if (key.startsWith("identity/")) await manager.refreshIdentity(Number(key.slice("identity/".length)));
    else {
      const cachedPod = (ref: { podNamespace: string; podName: string }) =>
        caches.pods.get(objectKey({ namespace: ref.podNamespace, name: ref.podName }));
      await publishEndpoint({ state, node, table, cachedPod }, key.slice("publish/".length));
    }
    return [];
  }

  /** What fails is tried again, as after any change. */
  async #startPolicies(): Promise<void> {
    this.#queue.add("policy");
    await this.#options.policies.reconcile().catch(() => {});
  }

  #subscribePolicies(): readonly (() => void)[] {
    const { caches, book } = this.#options;
    const { networkPolicies, ciliumNetworkPolicies, ciliumClusterwideNetworkPolicies, ciliumIdentities } = caches;
    const changed = () => this.#queue.addAfter("policy", COALESCE_MS);
    const changedService = () => book.namesServices && changed();
    return [
      networkPolicies.onChange(changed),
      ciliumNetworkPolicies.onChange(changed),
      ciliumClusterwideNetworkPolicies.onChange(changed),
      ciliumIdentities.onChange(changed),
      caches.services.onChange(changedService),
      caches.endpointSlices.onChange(changedService),
    ];
  }

  #setProblems(key: string, problems: readonly string[]): void {
    if (problems.length === 0) this.#problems.delete(key);
    else this.#problems.set(key, problems);
    const subsystem = subsystemOf(key);
    const all = [...this.#problems].filter(([other]) => subsystemOf(other) === subsystem).flatMap(([, words]) => words);
    this.#options.status.report(subsystem, all);
  }

  /** Of the other nodes; a prefix that is none is reported by the ipcache. */
  #routedRanges(): readonly RoutedRange[] {
    const { node, caches } = this.#options;
    return [...caches.ciliumNodes.items().values()]
      .filter((other) => other.metadata.name !== node.name)
      .flatMap(({ spec }) => {
        const internal = (spec.addresses ?? []).filter(({ type }) => type === "InternalIP");
        const nodeIps = internal.flatMap(({ ip }) => IpAddress.tryParse(ip) ?? []);
        const prefixes = (spec.ipam?.podCIDRs ?? []).flatMap((text) => IpPrefix.tryParse(text) ?? []);
        return prefixes.map((prefix) => ({ prefix, nodeIps }));
      });
  }
}

function subsystemOf(key: string): string {
  if (key === "policy" || key === "routes") return key;
  return key.startsWith("identity/") ? "identities" : "publish";
}

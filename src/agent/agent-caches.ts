import type { Logger } from "../lib/log.js";
import {
  type CiliumEndpoint,
  type CiliumIdentity,
  type CiliumNode,
  type KubeEndpointSlice,
  type KubeNamespace,
  type KubeNode,
  type KubePod,
  type KubeService,
  resourceTypes,
} from "../model/kubernetes.js";
import type {
  CiliumClusterwideNetworkPolicy,
  CiliumNetworkPolicy,
  KubeNetworkPolicy,
} from "../model/network-policy-objects.js";
import type { KubeObject, ResourceType, StateSource } from "../state/state-source.js";
import { createInformer, type Informer } from "../state/watch-cache.js";
import type { StatusBoard } from "./status/status-board.js";

/** Live copies of everything that the agent reads of the cluster. */
export interface AgentCaches {
  readonly nodes: Informer<KubeNode>;
  readonly pods: Informer<KubePod>;
  readonly namespaces: Informer<KubeNamespace>;
  readonly services: Informer<KubeService>;
  readonly endpointSlices: Informer<KubeEndpointSlice>;
  readonly ciliumEndpoints: Informer<CiliumEndpoint>;
  readonly ciliumNodes: Informer<CiliumNode>;
  readonly ciliumIdentities: Informer<CiliumIdentity>;
  readonly networkPolicies: Informer<KubeNetworkPolicy>;
  readonly ciliumNetworkPolicies: Informer<CiliumNetworkPolicy>;
  readonly ciliumClusterwideNetworkPolicies: Informer<CiliumClusterwideNetworkPolicy>;
  /** Each has its first list. */
  readonly ready: Promise<void>;
}

/** Follows every kind at once; `signal` ends it. */
export function openCaches(
  state: StateSource,
  options: { readonly signal: AbortSignal; readonly status: StatusBoard; readonly log: Logger },
): AgentCaches {
  const { signal, status, log } = options;
  const failures = new FollowFailures(status);
  const follow = <T extends KubeObject>(type: ResourceType<T>): Informer<T> =>
    createInformer(state, type, {
      signal,
      onError: (error, retryInMs) => {
        log.warn({ err: error, kind: type.kind, retryInMs }, "state cannot be followed");
        const words = error instanceof Error ? error.message : String(error);
        failures.add(type.plural, `${type.plural} cannot be followed: ${words}`, retryInMs);
      },
    });
  const caches = {
    nodes: follow(resourceTypes.nodes),
    pods: follow(resourceTypes.pods),
    namespaces: follow(resourceTypes.namespaces),
    services: follow(resourceTypes.services),
    endpointSlices: follow(resourceTypes.endpointSlices),
    ciliumEndpoints: follow(resourceTypes.ciliumEndpoints),
    ciliumNodes: follow(resourceTypes.ciliumNodes),
    ciliumIdentities: follow(resourceTypes.ciliumIdentities),
    networkPolicies: follow(resourceTypes.networkPolicies),
    ciliumNetworkPolicies: follow(resourceTypes.ciliumNetworkPolicies),
    ciliumClusterwideNetworkPolicies: follow(resourceTypes.ciliumClusterwideNetworkPolicies),
  };
  const ready = Promise.all(Object.values(caches).map((informer) => informer.ready)).then(() => {
    status.set("state", "ok");
  });
  ready.catch(() => {});
  return { ...caches, ready };
}

/** A try takes less than this. */
const TRY_MS = 5000;

/** Kinds that cannot be followed. A kind that fails again would have said so within the back-off and one try. */
class FollowFailures {
  readonly #status: StatusBoard;
  readonly #problems = new Map<string, string>();
  readonly #timers = new Map<string, NodeJS.Timeout>();

  constructor(status: StatusBoard) {
    this.#status = status;
  }

  add(kind: string, problem: string, retryInMs: number): void {
    this.#problems.set(kind, problem);
    clearTimeout(this.#timers.get(kind));
    const timer = setTimeout(() => {
      this.#problems.delete(kind);
      this.#report();
    }, retryInMs + TRY_MS);
    timer.unref();
    this.#timers.set(kind, timer);
    this.#report();
  }

  #report(): void {
    this.#status.report("state", [...this.#problems.values()]);
  }
}

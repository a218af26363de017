import { IpAddress, IpPrefix } from "../../lib/ip.js";
import { objectKey } from "../../model/kube-object.js";
import { type KubeEndpointSlice, type KubeService, SERVICE_NAME_LABEL } from "../../model/kubernetes.js";
import type { PolicyObject } from "../../model/network-policy-objects.js";
import { parsePolicy } from "../../model/policy/parse-policy.js";
import { policyProblemTexts } from "../../model/policy/policy-problems.js";
import type { ParsedPolicy, PolicyRule } from "../../model/policy/policy-rule.js";
import { type PolicyService, resolveServicePeers } from "../../model/policy/rule-peers.js";
import type { Informer } from "../../state/watch-cache.js";
import type { AgentCaches } from "../agent-caches.js";

/** Caches that policies and their rules are made of. */
export type PolicyCaches = Pick<
  AgentCaches,
  "networkPolicies" | "ciliumNetworkPolicies" | "ciliumClusterwideNetworkPolicies" | "services" | "endpointSlices"
>;

export interface PolicyPage {
  /** Of every policy of the cluster, Services in them replaced by who is behind them. */
  readonly rules: readonly PolicyRule[];
  /** What is invalid or not supported, by object and path. */
  readonly problems: readonly string[];
  /** Policy objects. */
  readonly policies: number;
}

/** The rules of all policies of the cluster. Each object is parsed once for each of its versions. */
export class PolicyBook {
  readonly #caches: PolicyCaches;
  readonly #clusterName: string;
  #parsed = new Map<PolicyObject, ParsedPolicy>();
  #page: PolicyPage | undefined;

  constructor(options: { readonly caches: PolicyCaches; readonly clusterName: string }) {
    this.#caches = options.caches;
    this.#clusterName = options.clusterName;
  }

  /** Whether a change of a Service may change a rule. */
  get namesServices(): boolean {
    return [...this.#parsed.values()].some(({ rules }) => rules.some(namesService));
  }

  /** The same page as long as nothing in it changed. */
  read(): PolicyPage {
    const objects = this.#objects();
    const parsed = new Map(objects.map((object) => [object, this.#parsed.get(object) ?? this.#parse(object)]));
    const isSame = parsed.size === this.#parsed.size && objects.every((object) => this.#parsed.has(object));
    const hasServices = [...parsed.values()].some(({ rules }) => rules.some(namesService));
    // Whoever is behind a Service changes without its policies.
    if (this.#page !== undefined && isSame && !hasServices) return this.#page;
    this.#parsed = parsed;
    this.#page = this.#write(parsed, hasServices);
    return this.#page;
  }

  #objects(): readonly PolicyObject[] {
    const { networkPolicies, ciliumNetworkPolicies, ciliumClusterwideNetworkPolicies } = this.#caches;
    return [networkPolicies, ciliumNetworkPolicies, ciliumClusterwideNetworkPolicies].flatMap((informer) => [
      ...(informer as Informer<PolicyObject>).items().values(),
    ]);
  }

  #parse(object: PolicyObject): ParsedPolicy {
    return parsePolicy(object, { clusterName: this.#clusterName });
  }

  #write(parsed: ReadonlyMap<PolicyObject, ParsedPolicy>, hasServices: boolean): PolicyPage {
    const rules = [...parsed.values()].flatMap((policy) => policy.rules);
    const problems = [...parsed].flatMap(([object, policy]) => policyProblemTexts(object, policy));
    const resolved = hasServices ? resolveServicePeers(rules, this.#services()) : rules;
    return { rules: resolved, problems: problems.sort(), policies: parsed.size };
  }

  #services(): readonly PolicyService[] {
    const slices = new Map<string, KubeEndpointSlice[]>();
    for (const slice of this.#caches.endpointSlices.items().values()) {
      const key = serviceKeyOf(slice);
      slices.set(key, [...(slices.get(key) ?? []), slice]);
    }
    return [...this.#caches.services.items()].map(([key, service]) => describeService(service, slices.get(key) ?? []));
  }
}

function namesService(rule: PolicyRule): boolean {
  return rule.peers.some((peer) => peer.kind === "service");
}

function serviceKeyOf({ metadata }: KubeEndpointSlice): string {
  return objectKey({ ...metadata, name: metadata.labels?.[SERVICE_NAME_LABEL] ?? "" });
}

function describeService(service: KubeService, slices: readonly KubeEndpointSlice[]): PolicyService {
  const { name, namespace = "default", labels = {} } = service.metadata;
  const addresses = slices.flatMap(({ endpoints }) => endpoints.flatMap((endpoint) => endpoint.addresses));
  const { selector } = service.spec;
  return {
    ...{ name, namespace, labels },
    ...(selector === undefined ? {} : { selector }),
    prefixes: addresses.flatMap((text) => {
      const address = IpAddress.tryParse(text);
      return address === undefined ? [] : [IpPrefix.host(address)];
    }),
  };
}

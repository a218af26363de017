import { IpAddress, IpPrefix } from "../../lib/ip.js";
import { objectKey } from "../../model/kube-object.js";
import { type KubeEndpointSlice, type KubeService, SERVICE_NAME_LABEL } from "../../model/kubernetes.js";
import type { PolicyObject } from "../../model/network-policy-objects.js";
import { parsePolicy } from "../../model/policy/parse-policy.js";
import { type PolicySettings, policyProblemTexts } from "../../model/policy/policy-problems.js";
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
  readonly policies: readonly BookedPolicy[];
  /** Counts changes of policy objects. */
  readonly revision: number;
}

export interface BookedPolicy {
  readonly object: PolicyObject;
  readonly parsed: ParsedPolicy;
  /** Services in them replaced by who is behind them. */
  readonly rules: readonly PolicyRule[];
  /** Of the first page that had this version of the object. */
  readonly revision: number;
}

/** The rules of all policies of the cluster. Each object is parsed once for each of its versions. */
export class PolicyBook {
  readonly #caches: PolicyCaches;
  readonly #config: PolicySettings & { readonly clusterName: string };
  #booked = new Map<PolicyObject, BookedPolicy>();
  #page: PolicyPage | undefined;

  constructor(options: {
    readonly caches: PolicyCaches;
    readonly config: PolicySettings & { readonly clusterName: string };
  }) {
    this.#caches = options.caches;
    this.#config = options.config;
  }

  /** Whether a change of a Service may change a rule. */
  get namesServices(): boolean {
    return [...this.#booked.values()].some(({ parsed }) => parsed.rules.some(namesService));
  }

  /** The same page as long as nothing in it changed. */
  read(): PolicyPage {
    const objects = this.#objects();
    const isSame = objects.length === this.#booked.size && objects.every((object) => this.#booked.has(object));
    // Whoever is behind a Service changes without its policies.
    if (this.#page !== undefined && isSame && !this.namesServices) return this.#page;
    const revision = (this.#page?.revision ?? 0) + (isSame && this.#page !== undefined ? 0 : 1);
    const booked = objects.map((object) => this.#booked.get(object) ?? this.#book(object, revision));
    this.#booked = new Map(booked.map((policy) => [policy.object, policy]));
    this.#page = this.#write(booked, revision);
    return this.#page;
  }

  #objects(): readonly PolicyObject[] {
    const { networkPolicies, ciliumNetworkPolicies, ciliumClusterwideNetworkPolicies } = this.#caches;
    return [networkPolicies, ciliumNetworkPolicies, ciliumClusterwideNetworkPolicies].flatMap((informer) => [
      ...(informer as Informer<PolicyObject>).items().values(),
    ]);
  }

  #book(object: PolicyObject, revision: number): BookedPolicy {
    const parsed = parsePolicy(object, this.#config);
    return { object, parsed, rules: parsed.rules, revision };
  }

  #write(booked: readonly BookedPolicy[], revision: number): PolicyPage {
    const services = this.namesServices ? this.#services() : undefined;
    const policies = booked.map((policy) =>
      services === undefined ? policy : { ...policy, rules: resolveServicePeers(policy.parsed.rules, services) },
    );
    const problems = booked.flatMap(({ object, parsed }) => policyProblemTexts(object, parsed, this.#config));
    return { rules: policies.flatMap(({ rules }) => rules), problems: problems.sort(), policies, revision };
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

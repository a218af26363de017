import { waitForAll } from "../../lib/wait-for-all.js";
import type { DatapathPort, PolicyEntry } from "../../model/datapath-port.js";
import type { KubePod } from "../../model/kubernetes.js";
import { parseLabel, sortLabels } from "../../model/labels.js";
import { compilePolicy } from "../../model/policy/compile-policy.js";
import type { CompiledPolicy, EnforcementMode, SubjectFacts } from "../../model/policy/compiled-policy.js";
import type { NamedContainerPort } from "../../model/policy/policy-identity.js";
import type { PolicyRule } from "../../model/policy/policy-rule.js";
import { RuleTable } from "../../model/policy/rule-table.js";
import type { SelectorCache } from "../../model/policy/selector-cache.js";
import { protocolNumber } from "../../model/protocol-names.js";
import type { EndpointRecord } from "../endpoints/endpoint-record.js";
import { fitPolicy } from "./fit-policy.js";

export interface EndpointPoliciesOptions {
  readonly datapath: Pick<DatapathPort, "writePolicy">;
  readonly selectors: SelectorCache;
  readonly mode: EnforcementMode;
  readonly allowsLocalHost: boolean;
  /** Entries of a policy map. */
  readonly maxEntries: number;
  readonly podOf: (record: EndpointRecord) => KubePod | undefined;
}

/** The policies of this node's endpoints: compiled once for endpoints with the same labels and ports, written where they changed. */
export class EndpointPolicies {
  readonly ruleTable = new RuleTable();
  readonly #options: EndpointPoliciesOptions;
  readonly #records = new Map<number, EndpointRecord>();
  /** What the kernel holds as far as this agent wrote it. */
  readonly #written = new Map<number, readonly PolicyEntry[]>();
  readonly #overflows = new Map<number, readonly string[]>();
  #rules: readonly PolicyRule[] = [];
  /** Of the rules and identities of now, by subject. */
  #compiled = new Map<string, CompiledPolicy>();

  constructor(options: EndpointPoliciesOptions) {
    this.#options = options;
  }

  get rules(): readonly PolicyRule[] {
    return this.#rules;
  }

  records(): Iterable<EndpointRecord> {
    return this.#records.values();
  }

  /** Of the whole policies that did not fit into their maps, one sentence each. */
  problems(): readonly string[] {
    return [...this.#overflows.values()].flat();
  }

  /** From now on the endpoint is one whose policy is kept. */
  add(record: EndpointRecord): void {
    this.#records.set(record.endpointId, record);
  }

  /** The endpoint leaves: nothing is written for it any more. */
  delete(endpointId: number): void {
    this.#records.delete(endpointId);
    this.#written.delete(endpointId);
    this.#overflows.delete(endpointId);
  }

  /** Compares the endpoint's policy with the kernel's, whatever was written before. */
  async writeOne(endpointId: number): Promise<void> {
    this.#written.delete(endpointId);
    const record = this.#records.get(endpointId);
    if (record !== undefined) await this.#write(record);
  }

  /** After a change of rules or identities. Resolves when the programs judge by it. */
  async writeAll(rules: readonly PolicyRule[]): Promise<void> {
    this.#rules = rules;
    this.#compiled = new Map();
    await waitForAll([...this.#records.values()].map((record) => this.#write(record)));
  }

  /** What the endpoint's policy is now; undefined for an endpoint that is not kept. */
  policyOf(endpointId: number): CompiledPolicy | undefined {
    const record = this.#records.get(endpointId);
    return record === undefined ? undefined : this.#compile(record);
  }

  async #write(record: EndpointRecord): Promise<void> {
    const { datapath, maxEntries } = this.#options;
    const { endpointId, podNamespace, podName } = record;
    const { entries, overflowing } = fitPolicy(this.#compile(record).entries, maxEntries);
    if (overflowing.length === 0) this.#overflows.delete(endpointId);
    else {
      const name = `endpoint ${endpointId} (${podNamespace}/${podName})`;
      this.#overflows.set(
        endpointId,
        overflowing.map(
          ({ direction, count }) => `${name}: its ${direction} policy needs ${count} entries; ${full(maxEntries)}`,
        ),
      );
    }
    if (isSamePolicy(this.#written.get(endpointId), entries)) return;
    this.#written.delete(endpointId);
    await datapath.writePolicy(endpointId, entries);
    // Another write may have been asked for meanwhile, or the endpoint have left.
    if (this.#records.get(endpointId) === record) this.#written.set(endpointId, entries);
  }

  #compile(record: EndpointRecord): CompiledPolicy {
    const { selectors, mode, allowsLocalHost, podOf } = this.#options;
    const namedPorts = namedPortsOf(podOf(record));
    const key = JSON.stringify([record.labels, namedPorts]);
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const subject: SubjectFacts = { kind: "endpoint", labels: sortLabels(record.labels.map(parseLabel)), namedPorts };
    const { ruleTable } = this;
    const compiled = compilePolicy({ subject, rules: this.#rules, selectors, mode, allowsLocalHost, ruleTable });
    this.#compiled.set(key, compiled);
    return compiled;
  }
}

function full(maxEntries: number): string {
  return `the map has ${maxEntries} (bpf-policy-map-max), so everything is denied in that direction`;
}

function namedPortsOf(pod: KubePod | undefined): readonly NamedContainerPort[] {
  return (pod?.spec.containers ?? []).flatMap(({ ports = [] }) =>
    ports.flatMap(({ name, containerPort, protocol = "TCP" }) =>
      name === undefined ? [] : [{ name, port: containerPort, protocol: protocolNumber(protocol) ?? 6 }],
    ),
  );
}

function isSamePolicy(before: readonly PolicyEntry[] | undefined, after: readonly PolicyEntry[]): boolean {
  if (before === after) return true;
  if (before?.length !== after.length) return false;
  return before.every((entry, index) => isSameEntry(entry, after[index]!));
}

function isSameEntry(a: PolicyEntry, b: PolicyEntry): boolean {
  return (
    a.identity === b.identity &&
    a.port === b.port &&
    a.portPrefixLength === b.portPrefixLength &&
    a.protocol === b.protocol &&
    a.direction === b.direction &&
    a.verdict === b.verdict &&
    a.cookie === b.cookie
  );
}

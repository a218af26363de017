import { waitForAll } from "../../lib/wait-for-all.js";
import type { DatapathPort, PolicyEntry } from "../../model/datapath-port.js";
import { HOST_ENDPOINT_ID } from "../../model/host-endpoint.js";
import type { KubePod } from "../../model/kubernetes.js";
import { formatLabel, type Label, parseLabel, sortLabels } from "../../model/labels.js";
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
  /** Of the node as an endpoint; undefined: it is none (`enable-host-firewall`). */
  readonly hostLabels: () => readonly Label[] | undefined;
}

/** Whose policy is kept: an endpoint, or the node itself. */
export interface PolicyOwner {
  readonly endpointId: number;
  /** For people. */
  readonly name: string;
  readonly subject: SubjectFacts;
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
  /** The node's labels that its policy was last written for. */
  #hostKey: string | undefined;
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

  /** Every endpoint of this node whose policy is kept. */
  owners(): readonly PolicyOwner[] {
    const host = this.#host();
    return [
      ...[...this.#records.values()].map((record) => this.#ownerOf(record)),
      ...(host === undefined ? [] : [host]),
    ];
  }

  /** Whether the node's own labels are others than its policy was written for. */
  get hasNewHost(): boolean {
    return hostKeyOf(this.#host()) !== this.#hostKey;
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
    if (record !== undefined) await this.#write(this.#ownerOf(record));
  }

  /** After a change of rules or identities. Resolves when the programs judge by it. */
  async writeAll(rules: readonly PolicyRule[]): Promise<void> {
    this.#rules = rules;
    this.#compiled = new Map();
    this.#hostKey = hostKeyOf(this.#host());
    await waitForAll(this.owners().map((owner) => this.#write(owner)));
  }

  /** What the endpoint's policy is now; undefined for an endpoint that is not kept. */
  policyOf(endpointId: number): CompiledPolicy | undefined {
    const record = this.#records.get(endpointId);
    const owner = endpointId === HOST_ENDPOINT_ID ? this.#host() : record && this.#ownerOf(record);
    return owner === undefined ? undefined : this.#compile(owner);
  }

  #ownerOf(record: EndpointRecord): PolicyOwner {
    const { endpointId, podNamespace, podName } = record;
    const labels = sortLabels(record.labels.map(parseLabel));
    const namedPorts = namedPortsOf(this.#options.podOf(record));
    return { endpointId, name: `${podNamespace}/${podName}`, subject: { kind: "endpoint", labels, namedPorts } };
  }

  #host(): PolicyOwner | undefined {
    const labels = this.#options.hostLabels();
    if (labels === undefined) return undefined;
    return { endpointId: HOST_ENDPOINT_ID, name: "the node itself", subject: { kind: "node", labels } };
  }

  #isKept({ endpointId }: PolicyOwner, record: EndpointRecord | undefined): boolean {
    return endpointId === HOST_ENDPOINT_ID || (record !== undefined && this.#records.get(endpointId) === record);
  }

  async #write(owner: PolicyOwner): Promise<void> {
    const { datapath, maxEntries } = this.#options;
    const { endpointId, name } = owner;
    const record = this.#records.get(endpointId);
    const { entries, overflowing } = fitPolicy(this.#compile(owner).entries, maxEntries);
    if (overflowing.length === 0) this.#overflows.delete(endpointId);
    else {
      const words = overflowing.map(
        ({ direction, count }) => `its ${direction} policy needs ${count} entries; ${full(maxEntries)}`,
      );
      this.#overflows.set(
        endpointId,
        words.map((text) => `endpoint ${endpointId} (${name}): ${text}`),
      );
    }
    if (isSamePolicy(this.#written.get(endpointId), entries)) return;
    this.#written.delete(endpointId);
    await datapath.writePolicy(endpointId, entries);
    // Another write may have been asked for meanwhile, or the endpoint have left.
    if (this.#isKept(owner, record)) this.#written.set(endpointId, entries);
  }

  #compile({ subject }: PolicyOwner): CompiledPolicy {
    const { selectors, mode, allowsLocalHost } = this.#options;
    const key = JSON.stringify([subject.kind, subject.labels, subject.namedPorts]);
    const known = this.#compiled.get(key);
    if (known !== undefined) return known;
    const { ruleTable } = this;
    const compiled = compilePolicy({ subject, rules: this.#rules, selectors, mode, allowsLocalHost, ruleTable });
    this.#compiled.set(key, compiled);
    return compiled;
  }
}

function hostKeyOf(host: PolicyOwner | undefined): string | undefined {
  return host?.subject.labels.map(formatLabel).join("\n");
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

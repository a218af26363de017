import type { IpPrefix } from "../../lib/ip.js";
import { cidrsOf } from "../../model/policy/rule-peers.js";
import type { EndpointRecord } from "../endpoints/endpoint-record.js";
import type { PrefixIdentities } from "../identities/prefix-identities.js";
import type { EndpointPolicies } from "./endpoint-policies.js";
import type { KnownIdentities } from "./known-identities.js";
import type { PolicyBook, PolicyPage } from "./policy-book.js";

export interface PolicyReconcilerOptions {
  readonly book: PolicyBook;
  readonly endpoints: EndpointPolicies;
  readonly identities: KnownIdentities;
  readonly prefixes: PrefixIdentities;
  readonly nodePrefixes: PrefixIdentities;
  /** Addresses of other nodes that get identities of their own. */
  readonly nodeAddresses: () => readonly IpPrefix[];
  /** Makes the ipcache what it should be, with every prefix that has an identity. */
  readonly syncIpcache: () => void;
}

/** What EndpointManager asks of policies. */
export interface PolicyPort {
  /**
   * The endpoint has this identity now. Resolves when every policy of this node knows it, and the endpoint's own policy is in
   * place: then packets may carry it.
   */
  admit(record: EndpointRecord): Promise<void>;
  /** The endpoint leaves. Nothing is written for it any more. */
  release(endpointId: number): void;
}

/**
 * Brings policies and the identities that they name into the kernel, in an order in which each packet meets a whole old or a whole
 * new policy:
 *
 * 1. New identities, under the rules that are in force: no packet carries them yet, so no verdict changes.
 * 2. The ipcache: packets carry them now, and the same rules say the same of them.
 * 3. The new rules.
 * 4. Identities that are gone: out of the ipcache, then out of the policies.
 */
export class PolicyReconciler implements PolicyPort {
  readonly #options: PolicyReconcilerOptions;
  #page: PolicyPage | undefined;
  /** Identities that no run has brought into the policies yet. */
  #hasNews = false;
  #running: Promise<readonly string[]> = Promise.resolve([]);
  #next: Promise<readonly string[]> | undefined;

  constructor(options: PolicyReconcilerOptions) {
    this.#options = options;
  }

  /** Endpoints that outlived the former agent: their maps stay as they are until the first {@link reconcile}. */
  adopt(records: Iterable<EndpointRecord>): void {
    for (const record of records) this.#options.endpoints.add(record);
  }

  /**
   * Resolves after a run that began after the call, with what is wrong with policies. Calls during a run share the next one.
   */
  reconcile(): Promise<readonly string[]> {
    this.#next ??= this.#running.then(
      () => this.#begin(),
      () => this.#begin(),
    );
    return this.#next;
  }

  async admit(record: EndpointRecord): Promise<void> {
    const { endpoints, identities } = this.#options;
    endpoints.add(record);
    if (identities.learn(endpoints.records())) this.#hasNews = true;
    // A run may be bringing the identity in already, for another endpoint.
    await (this.#hasNews ? this.reconcile() : this.#running.catch(() => {}));
    await endpoints.writeOne(record.endpointId);
  }

  release(endpointId: number): void {
    this.#options.endpoints.delete(endpointId);
  }

  /** What the kernel was last brought to; undefined until the first time. */
  get page(): PolicyPage | undefined {
    return this.#page;
  }

  /** What stands in the state and in the kernel, for `status`. */
  get totals(): { readonly policies: number; readonly rules: number; readonly prefixes: number } {
    const { prefixes, endpoints } = this.#options;
    const policies = this.#page?.policies.length ?? 0;
    return { policies, rules: endpoints.rules.length, prefixes: prefixes.list().length };
  }

  #begin(): Promise<readonly string[]> {
    this.#next = undefined;
    this.#running = this.#run();
    return this.#running;
  }

  async #run(): Promise<readonly string[]> {
    const { book, endpoints, identities, prefixes, nodePrefixes, syncIpcache } = this.#options;
    const page = book.read();
    const named = cidrsOf(page.rules);
    const nodes = this.#options.nodeAddresses();
    const hasNewPrefixes = [prefixes.add(named), nodePrefixes.add(nodes)].includes(true);
    if (identities.learn(endpoints.records()) || hasNewPrefixes) this.#hasNews = true;
    if (endpoints.hasNewHost) this.#hasNews = true;
    // The first time nobody knows which rules are in force: those of the former agent.
    const isFirst = this.#page === undefined;
    const isNews = this.#hasNews;
    this.#hasNews = false;
    try {
      if (isNews && !isFirst) await endpoints.writeAll(endpoints.rules);
      if (!isFirst) syncIpcache();
      if (isFirst || page !== this.#page) await endpoints.writeAll(page.rules);
      this.#page = page;
      await this.#forgetOthers(named, nodes, isFirst);
    } catch (error) {
      this.#hasNews = true;
      throw error;
    }
    return [...page.problems, ...endpoints.problems()];
  }

  async #forgetOthers(named: readonly IpPrefix[], nodes: readonly IpPrefix[], isFirst: boolean): Promise<void> {
    const { endpoints, identities, prefixes, nodePrefixes, syncIpcache } = this.#options;
    const gone = [...prefixes.keepOnly(named), ...nodePrefixes.keepOnly(nodes)];
    if (isFirst || gone.length > 0) syncIpcache();
    if (identities.forget(endpoints.records())) await endpoints.writeAll(endpoints.rules);
  }
}

import { AgentError } from "../../lib/errors.js";
import type { IpPrefix } from "../../lib/ip.js";
import type { NumericIdentity } from "../../model/identity.js";

export interface PrefixIdentity {
  readonly prefix: IpPrefix;
  readonly identity: NumericIdentity;
}

/** Upstream's scopes of identities that only this node knows; 24 bits are below them. */
export const identityScopes = { prefix: 1 << 24, remoteNode: 2 << 24 } as const;
const MOST = 0xff_ffff;

/**
 * Numbers for prefixes: upstream's identities of local scope for those outside the cluster that policies name, and of the scope
 * of nodes for their addresses. A prefix keeps its number for
 * as long as it is wanted, also over a restart: the ipcache has it. A number that became free comes again last.
 */
export class PrefixIdentities {
  readonly #byPrefix = new Map<string, PrefixIdentity>();
  readonly #used = new Set<NumericIdentity>();
  readonly #scope: number;
  #last = 0;

  /** @param standing what the ipcache holds; entries of other scopes are left out */
  constructor(standing: Iterable<PrefixIdentity>, scope: number = identityScopes.prefix) {
    this.#scope = scope;
    for (const { prefix, identity } of standing) {
      if (identity >>> 24 !== scope >>> 24 || this.#used.has(identity)) continue;
      this.#set({ prefix, identity });
      this.#last = Math.max(this.#last, identity - scope);
    }
  }

  list(): readonly PrefixIdentity[] {
    return [...this.#byPrefix.values()];
  }

  /**
   * Gives each prefix its number. True when one of them is new.
   * @throws AgentError `prefix-identities-exhausted`
   */
  add(prefixes: readonly IpPrefix[]): boolean {
    const missing = prefixes.filter(({ text }) => !this.#byPrefix.has(text));
    for (const prefix of missing) this.#set({ prefix, identity: this.#nextFree() });
    return missing.length > 0;
  }

  /** Frees the numbers of all other prefixes; returns them. */
  keepOnly(prefixes: readonly IpPrefix[]): readonly NumericIdentity[] {
    const kept = new Set(prefixes.map(({ text }) => text));
    const gone = this.list().filter(({ prefix }) => !kept.has(prefix.text));
    for (const { prefix, identity } of gone) {
      this.#byPrefix.delete(prefix.text);
      this.#used.delete(identity);
    }
    return gone.map(({ identity }) => identity);
  }

  #set(entry: PrefixIdentity): void {
    this.#byPrefix.set(entry.prefix.text, entry);
    this.#used.add(entry.identity);
  }

  #nextFree(): NumericIdentity {
    if (this.#used.size >= MOST) {
      throw new AgentError("prefix-identities-exhausted", `there are more than ${MOST} prefixes to number`);
    }
    do {
      this.#last = (this.#last % MOST) + 1;
    } while (this.#used.has(this.#scope + this.#last));
    return this.#scope + this.#last;
  }
}

import type { NumericIdentity } from "../identity.js";
import type { ClusterFamilies, PolicyIdentity } from "./policy-identity.js";
import type { PolicyPeer } from "./policy-rule.js";

/**
 * Every identity that there is, and which of them each selector selects. Kept by its owner for as long as the identities live:
 * a selector is worked out once, and afterwards follows identities as they come and go.
 */
export class SelectorCache {
  readonly families: ClusterFamilies;
  readonly #identities = new Map<NumericIdentity, PolicyIdentity>();

  constructor(families: ClusterFamilies) {
    this.families = families;
  }

  /** New ones, or others in place of those with the same ids. */
  upsert(_identities: Iterable<PolicyIdentity>): void {
    throw new Error("follows");
  }

  remove(_ids: Iterable<NumericIdentity>): void {
    throw new Error("follows");
  }

  get(id: NumericIdentity): PolicyIdentity | undefined {
    return this.#identities.get(id);
  }

  /** Identities that a peer stands for, in no order; undefined: everybody, known or not. */
  select(_peer: PolicyPeer): ReadonlySet<NumericIdentity> | undefined {
    throw new Error("follows");
  }
}

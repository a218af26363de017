import { createHash } from "node:crypto";
import { StateError } from "../lib/errors.js";
import { identityRange, type NumericIdentity } from "../model/identity.js";
import { type CiliumIdentity, resourceTypes } from "../model/kubernetes.js";
import { formatLabel, type Label, labelKeys, sortLabels, toSecurityLabels } from "../model/labels.js";
import type { StateSource } from "./state-source.js";

export interface IdentityAllocatorOptions {
  readonly source: StateSource;
  /** 0 = none. */
  readonly clusterId: number;
}

/**
 * Gives the same number to the same labels on every node, without a lock: the labels decide where to look first, and the name of
 * a CiliumIdentity is its number, so creating it is exclusive. Who finds a number taken by other labels looks at the next one.
 *
 * Two nodes that want the same labels walk the same numbers. The first free one on that walk is the same for both, and one of them
 * creates it; the other one finds it with its own labels. Two numbers for the same labels would need a number on the walk to
 * become free again, that is, an identity to be deleted while its neighbour on the walk lives; readers therefore take the lowest
 * place on the walk, and whoever deletes identities does it only for labels that no endpoint has.
 */
export class IdentityAllocator {
  readonly #source: StateSource;
  readonly #min: number;
  readonly #size: number;

  constructor(options: IdentityAllocatorOptions) {
    this.#source = options.source;
    const { min, max } = identityRange(options.clusterId);
    this.#min = min;
    this.#size = max - min + 1;
  }

  /**
   * Finds the identity of these labels, or creates it.
   * @param labels identity labels, in any order
   * @throws StateError `identities-exhausted` when every number is taken by other labels
   */
  async allocate(labels: readonly Label[]): Promise<CiliumIdentity> {
    const text = identityText(labels);
    const start = this.firstCandidate(labels) - this.#min;
    for (let step = 0; step < this.#size; step++) {
      const id = this.#min + ((start + step) % this.#size);
      const identity = await this.#getOrCreate(id, labels);
      if (identityText(labelsOf(identity)) === text) return identity;
    }
    throw new StateError("identities-exhausted", `all ${this.#size} identities of the cluster are taken`, {
      hint: "Labels that differ from pod to pod make an identity each; the setting `labels` excludes them.",
    });
  }

  /** Where the walk of these labels starts. */
  firstCandidate(labels: readonly Label[]): NumericIdentity {
    const hash = createHash("sha256").update(identityText(labels)).digest();
    return this.#min + (hash.readUInt32BE(0) % this.#size);
  }

  async #getOrCreate(id: NumericIdentity, labels: readonly Label[]): Promise<CiliumIdentity> {
    for (;;) {
      const found = await this.#source.get(resourceTypes.ciliumIdentities, { name: String(id) });
      if (found !== undefined) return found;
      try {
        return await this.#source.create(resourceTypes.ciliumIdentities, newIdentity(id, labels));
      } catch (error) {
        if (!(error instanceof StateError) || error.code !== "already-exists") throw error;
      }
    }
  }
}

/** Number of a CiliumIdentity: its name. */
export function identityNumber(identity: CiliumIdentity): NumericIdentity {
  return Number(identity.metadata.name);
}

function newIdentity(id: NumericIdentity, labels: readonly Label[]): CiliumIdentity {
  const namespace = labels.find((label) => label.key === labelKeys.podNamespace)?.value;
  return {
    apiVersion: "cilium.io/v2",
    kind: "CiliumIdentity",
    metadata: {
      name: String(id),
      ...(namespace !== undefined && { labels: { [labelKeys.podNamespace]: namespace } }),
    },
    "security-labels": toSecurityLabels(labels),
  };
}

function labelsOf(identity: CiliumIdentity): readonly Label[] {
  return Object.entries(identity["security-labels"]).map(([name, value]) => {
    const colon = name.indexOf(":");
    return { source: name.slice(0, colon), key: name.slice(colon + 1), value };
  });
}

/** The same text for the same labels in any order. */
function identityText(labels: readonly Label[]): string {
  return sortLabels(labels).map(formatLabel).join(";");
}

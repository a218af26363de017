import type { IpPrefix } from "../../lib/ip.js";
import type { NumericIdentity } from "../identity.js";
import type { Label } from "../labels.js";
import type { ClusterFamilies, NamedContainerPort, PolicyIdentity } from "./policy-identity.js";
import type { CidrPeer, PolicyPeer } from "./policy-rule.js";
import { matchesPolicySelector, type PolicySelector } from "./policy-selector.js";
import { worldKey } from "./prefix-labels.js";

interface Selection {
  readonly selects: (identity: PolicyIdentity) => boolean;
  readonly ids: Set<NumericIdentity>;
}

const nobody: ReadonlySet<NumericIdentity> = new Set();
const worldKeys: ReadonlySet<string> = new Set(["world", "world-ipv4", "world-ipv6"]);
const addressedKeys: ReadonlySet<string> = new Set([...worldKeys, "host", "remote-node"]);

/**
 * Every identity that there is, and which of them each peer of a rule stands for. Kept by its owner for as long as the identities
 * live: a selector is worked out once, and afterwards follows identities as they come and go.
 */
export class SelectorCache {
  readonly families: ClusterFamilies;
  readonly #identities = new Map<NumericIdentity, PolicyIdentity>();
  readonly #selections = new Map<string, Selection>();
  /** `key=value`, of any source, → identities that have it: those that a selector need be tried on. */
  readonly #byLabel = new Map<string, Set<NumericIdentity>>();
  readonly #addressed = new Set<NumericIdentity>();
  readonly #withNamedPorts = new Set<NumericIdentity>();

  constructor(families: ClusterFamilies) {
    this.families = families;
  }

  /** New ones, or others in place of those with the same ids. False: no policy can have changed by it. */
  upsert(identities: Iterable<PolicyIdentity>): boolean {
    let hasChanged = false;
    for (const identity of identities) {
      const before = this.#identities.get(identity.id);
      if (namedPortsKey(before?.namedPorts) !== namedPortsKey(identity.namedPorts)) hasChanged = true;
      if (before !== undefined) this.#unlist(before);
      this.#list(identity);
      for (const { selects, ids } of this.#selections.values()) {
        const size = ids.size;
        if (selects(identity)) ids.add(identity.id);
        else ids.delete(identity.id);
        if (ids.size !== size) hasChanged = true;
      }
    }
    return hasChanged;
  }

  /** Absence is not an error. False: no policy can have changed by it. */
  remove(ids: Iterable<NumericIdentity>): boolean {
    let hasChanged = false;
    for (const id of ids) {
      const identity = this.#identities.get(id);
      if (identity === undefined) continue;
      this.#unlist(identity);
      for (const selection of this.#selections.values()) if (selection.ids.delete(id)) hasChanged = true;
    }
    return hasChanged;
  }

  get(id: NumericIdentity): PolicyIdentity | undefined {
    return this.#identities.get(id);
  }

  /** Of peers that are pods with ports that have names. Changes with the identities. */
  get withNamedPorts(): ReadonlySet<NumericIdentity> {
    return this.#withNamedPorts;
  }

  /** Identities that a peer stands for, in no order; undefined: everybody, known or not. Changes with the identities. */
  select(peer: PolicyPeer): ReadonlySet<NumericIdentity> | undefined {
    switch (peer.kind) {
      case "any":
        return undefined;
      case "service":
        return nobody;
      case "cidr":
        return this.#selection(peerKey(peer), () => this.#selectByPrefix(peer));
      case "selector":
        if (peer.selector.requirements.length === 0) return undefined;
        return this.#selection(peer.selector.key, () => this.#selectByLabels(peer.selector));
    }
  }

  /** Forgets selectors of peers other than these: those of policies that are gone. */
  retain(peers: Iterable<PolicyPeer>): void {
    const keys = new Set([...peers].map(peerKey));
    for (const key of this.#selections.keys()) if (!keys.has(key)) this.#selections.delete(key);
  }

  #selection(key: string, create: () => Selection): ReadonlySet<NumericIdentity> {
    const known = this.#selections.get(key);
    if (known !== undefined) return known.ids;
    const made = create();
    this.#selections.set(key, made);
    return made.ids;
  }

  #try(candidates: Iterable<NumericIdentity>, selects: Selection["selects"]): Selection {
    const ids = new Set<NumericIdentity>();
    for (const id of candidates) if (selects(this.#identities.get(id)!)) ids.add(id);
    return { selects, ids };
  }

  #selectByLabels(selector: PolicySelector): Selection {
    return this.#try(this.#candidates(selector), ({ labels }) => matchesPolicySelector(selector, labels));
  }

  /** Those with one of the values of the requirement that leaves the fewest; all where none asks for a value. */
  #candidates({ requirements }: PolicySelector): Iterable<NumericIdentity> {
    let fewest: readonly ReadonlySet<NumericIdentity>[] | undefined;
    let count = this.#identities.size;
    for (const { source, key, operator, values } of requirements) {
      // A prefix is a label of identities that are not listed under it.
      if (operator !== "in" || source === "cidr") continue;
      const sets = values.map((value) => this.#byLabel.get(`${key}=${value}`) ?? nobody);
      const size = sets.reduce((sum, set) => sum + set.size, 0);
      if (size >= count) continue;
      fewest = sets;
      count = size;
    }
    if (fewest === undefined) return this.#identities.keys();
    return fewest.length === 1 ? fewest[0]! : fewest.flatMap((set) => [...set]);
  }

  #selectByPrefix({ prefix, except }: CidrPeer): Selection {
    const isInside = (outer: IpPrefix): Selection["selects"] => {
      const world = worldKey(outer.address.family, this.families);
      if (outer.length === 0) return (identity) => hasReserved(identity, world);
      return ({ prefixes = [] }) => prefixes.some((prefix) => outer.covers(prefix));
    };
    const isIncluded = isInside(prefix);
    const isExcepted = except.map(isInside);
    return this.#try(
      this.#addressed,
      (identity) =>
        isIncluded(identity) && this.#addressed.has(identity.id) && !isExcepted.some((isInOne) => isInOne(identity)),
    );
  }

  #list(identity: PolicyIdentity): void {
    this.#identities.set(identity.id, identity);
    for (const label of identity.labels) {
      const text = labelText(label);
      const ids = this.#byLabel.get(text);
      if (ids === undefined) this.#byLabel.set(text, new Set([identity.id]));
      else ids.add(identity.id);
    }
    if (isAddressed(identity)) this.#addressed.add(identity.id);
    if ((identity.namedPorts ?? []).length > 0) this.#withNamedPorts.add(identity.id);
  }

  #unlist({ id, labels }: PolicyIdentity): void {
    this.#identities.delete(id);
    for (const label of labels) {
      const text = labelText(label);
      const ids = this.#byLabel.get(text);
      ids?.delete(id);
      if (ids?.size === 0) this.#byLabel.delete(text);
    }
    this.#addressed.delete(id);
    this.#withNamedPorts.delete(id);
  }
}

/** Equal for peers that stand for the same. */
export function peerKey(peer: PolicyPeer): string {
  switch (peer.kind) {
    case "any":
      return "";
    case "selector":
      return peer.selector.key;
    case "cidr":
      return ["cidr", peer.prefix, ...peer.except].join(" ");
    case "service":
      return `service ${peer.namespace ?? ""}/${peer.name ?? peer.selector?.key}`;
  }
}

/** What is in the cluster has no address for policies, but nodes with upstream's policy-cidr-match-mode. */
function isAddressed({ labels, prefixes = [] }: PolicyIdentity): boolean {
  const keys = prefixes.length > 0 ? addressedKeys : worldKeys;
  return labels.some(({ source, key }) => source === "reserved" && keys.has(key));
}

function hasReserved({ labels }: PolicyIdentity, wanted: string): boolean {
  return labels.some(({ source, key }) => source === "reserved" && key === wanted);
}

function labelText({ key, value }: Label): string {
  return `${key}=${value}`;
}

function namedPortsKey(ports: readonly NamedContainerPort[] = []): string {
  return ports
    .map(({ name, port, protocol }) => `${name}=${port}/${protocol}`)
    .sort()
    .join();
}

import { createLbCodecs, type LbCodecs, type LbFamilyCodecs } from "../../abi/load-balancing.js";
import type { BpfMap } from "../../kernel/bpf-map.js";
import type { NumberedService } from "../../model/lb-rows.js";
import type { LbServiceRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import type { MapSource } from "./read-maps.js";

export const families = [4, 6] as const;
export type Family = (typeof families)[number];

export function lbCodecs(context: NodeContext, map: string): LbCodecs {
  return createLbCodecs(context.releasesOf(map));
}

export function familyCodecs(codecs: LbCodecs, family: Family): LbFamilyCodecs {
  return family === 4 ? codecs.v4 : codecs.v6;
}

/** One source a family, of the maps that `cilium_lb4_…` and `cilium_lb6_…` name. */
export function familySources<Row>(source: (family: Family) => MapSource<Row>): readonly MapSource<Row>[] {
  return families.map(source);
}

/** The backend map, or where only an agent before 1.13 has left one, that. */
export function backendMap(context: NodeContext, family: Family): string {
  const [current, old] = [`cilium_lb${family}_backends_v3`, `cilium_lb${family}_backends_v2`];
  return !context.hasMap(current) && context.hasMap(old) ? old : current;
}

export function backendCodec(codecs: LbCodecs, family: Family, map: string): LbFamilyCodecs["backendValue"] {
  const { backendValue, backendValueV2 } = familyCodecs(codecs, family);
  return map.endsWith("_v2") ? backendValueV2 : backendValue;
}

/** Finds what ids stand for in the maps of both families, each id once. */
export class LbLookups implements Disposable {
  readonly #context: NodeContext;
  readonly #maps: BpfMap[] = [];
  readonly #backendsOf = new Map<Family, (id: number) => LbServiceRow["backend"]>();
  readonly #frontendsOf = new Map<Family, (id: number) => NumberedService["frontend"]>();

  constructor(context: NodeContext) {
    this.#context = context;
  }

  /** A backend of the service's own family, or of the other one: NAT46/64 leads there. */
  backend(family: Family, id: number): LbServiceRow["backend"] {
    return this.#backends(family)(id) ?? this.#backends(family === 4 ? 6 : 4)(id);
  }

  frontend(family: Family, revNatId: number): NumberedService["frontend"] {
    const known = this.#frontendsOf.get(family);
    if (known !== undefined) return known(revNatId);
    const name = `cilium_lb${family}_reverse_nat`;
    const map = this.#open(name);
    const codecs = lbCodecs(this.#context, name);
    const { revNatValue } = familyCodecs(codecs, family);
    const find = once((id) => {
      const bytes = map?.lookup(codecs.revNatId.encode(id));
      return bytes === undefined ? undefined : revNatValue.decode(bytes);
    });
    this.#frontendsOf.set(family, find);
    return find(revNatId);
  }

  #backends(family: Family): (id: number) => LbServiceRow["backend"] {
    const known = this.#backendsOf.get(family);
    if (known !== undefined) return known;
    const name = backendMap(this.#context, family);
    const map = this.#open(name);
    const codecs = lbCodecs(this.#context, name);
    const value = backendCodec(codecs, family, name);
    const find = once((id): LbServiceRow["backend"] => {
      const bytes = map?.lookup(codecs.backendId.encode(id));
      if (bytes === undefined) return undefined;
      const { address, port, protocol, clusterId } = value.decode(bytes);
      return { address, port, protocol, clusterId };
    });
    this.#backendsOf.set(family, find);
    return find;
  }

  #open(name: string): BpfMap | undefined {
    const map = this.#context.openMap(name);
    if (map !== undefined) this.#maps.push(map);
    return map;
  }

  [Symbol.dispose](): void {
    for (const map of this.#maps) map.close();
  }
}

function once<T>(find: (id: number) => T): (id: number) => T {
  const known = new Map<number, T>();
  return (id) => {
    if (!known.has(id)) known.set(id, find(id));
    return known.get(id) as T;
  };
}

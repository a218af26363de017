import { AddressReader } from "../../abi/address-reader.js";
import { createLbCodecs, type LbFamilyCodecs } from "../../abi/load-balancing.js";
import type { BpfMap } from "../../kernel/bpf-map.js";
import type { FilteredRequest, RowStream } from "../../model/readers.js";
import type { L4Address, LbBackendRow, LbServiceRow, RevNatRow, SockRevNatRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { entrySource, type MapSource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

const families = [4, 6] as const;
type Family = (typeof families)[number];

function lbCodecs(context: NodeContext, map: string) {
  return createLbCodecs(context.releasesOf(map), new AddressReader());
}

/** One source a family, of the maps that `cilium_lb4_…` and `cilium_lb6_…` name. */
function familySources<Row>(source: (family: Family) => MapSource<Row>): readonly MapSource<Row>[] {
  return families.map(source);
}

/**
 * Slots of the service maps with the backend that each leads to. Backends are looked up slot by slot: the map is
 * written backends first, so a slot whose backend is missing is a finding and no race.
 */
export async function* readLbServices(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<LbServiceRow> {
  const matcher = new RowMatcher(request.filter);
  using backends4 = context.openMap(backendMap(4));
  using backends6 = context.openMap(backendMap(6));
  const sources = familySources((family): MapSource<LbServiceRow> => {
    const name = `cilium_lb${family}_services_v2`;
    const codecs = lbCodecs(context, name);
    const resolve = backendResolver(context, family, family === 4 ? backends4 : backends6);
    const { serviceKey, serviceValue } = familyCodecs(codecs, family);
    return entrySource(name, { key: serviceKey, value: serviceValue }, (key, value) => {
      const backend = key.slot === 0 ? undefined : resolve(value.union0);
      // Rows that nobody wants are not even made: of 50,000 Services that is most of the time.
      const isWanted = matcher.isEmpty || matcher.matches(serviceTraits(key, backend));
      return isWanted ? codecs.serviceRow(key, value, backend, context.place.name) : undefined;
    });
  });
  return yield* readMaps(context, sources, signal);
}

function familyCodecs(codecs: ReturnType<typeof createLbCodecs>, family: Family): LbFamilyCodecs {
  return family === 4 ? codecs.v4 : codecs.v6;
}

function backendMap(family: Family): string {
  return `cilium_lb${family}_backends_v3`;
}

function serviceTraits(frontend: L4Address, backend: L4Address | undefined): { ends: L4Address[]; protocol: number } {
  return { ends: backend === undefined ? [frontend] : [frontend, backend], protocol: frontend.protocol };
}

/** Looks each backend up once, however many slots lead to it. */
function backendResolver(
  context: NodeContext,
  family: Family,
  map: BpfMap | undefined,
): (id: number) => L4Address | undefined {
  const codecs = lbCodecs(context, backendMap(family));
  const { backendValue } = familyCodecs(codecs, family);
  const known = new Map<number, L4Address | undefined>();
  return (id) => {
    if (known.has(id)) return known.get(id);
    const bytes = map?.lookup(codecs.backendId.encode(id));
    const backend = bytes === undefined ? undefined : backendValue.decode(bytes);
    known.set(id, backend && { address: backend.address, port: backend.port, protocol: backend.protocol });
    return known.get(id);
  };
}

export function readLbBackends(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<LbBackendRow> {
  const matcher = new RowMatcher(request.filter);
  const sources = familySources((family): MapSource<LbBackendRow> => {
    const codecs = lbCodecs(context, backendMap(family));
    const value = familyCodecs(codecs, family).backendValue;
    return entrySource(backendMap(family), { key: codecs.backendId, value }, (id, backend) => {
      const row = codecs.backendRow(id, backend, context.place.name);
      return matcher.matches({ ends: [row], protocol: row.protocol }) ? row : undefined;
    });
  });
  return readMaps(context, sources, signal);
}

export function readLbReverseNat(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<RevNatRow> {
  const matcher = new RowMatcher(request.filter);
  const sources = familySources((family): MapSource<RevNatRow> => {
    const name = `cilium_lb${family}_reverse_nat`;
    const codecs = lbCodecs(context, name);
    const value = familyCodecs(codecs, family).revNatValue;
    return entrySource(name, { key: codecs.revNatId, value }, (id, frontend) => {
      const row = codecs.revNatRow(id, frontend, context.place.name);
      return matcher.matches({ ends: [row] }) ? row : undefined;
    });
  });
  return readMaps(context, sources, signal);
}

/** Which frontend each socket dialled, by the backend that it was given. */
export function readSocketReverseNat(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<SockRevNatRow> {
  const matcher = new RowMatcher(request.filter);
  const sources = familySources((family): MapSource<SockRevNatRow> => {
    const name = `cilium_lb${family}_reverse_sk`;
    const { sockRevNatKey, sockRevNatValue } = familyCodecs(lbCodecs(context, name), family);
    return entrySource(name, { key: sockRevNatKey, value: sockRevNatValue }, (key, value) => {
      if (!matcher.matches({ ends: [key, value] })) return undefined;
      return {
        node: context.place.name,
        cookie: key.cookie,
        backend: key.address,
        backendPort: key.port,
        frontend: value.address,
        frontendPort: value.port,
        revNatId: value.revNatId,
      };
    });
  });
  return readMaps(context, sources, signal);
}

import { AddressReader } from "../../abi/address-reader.js";
import { createLbCodecs, type LbCodecs, type LbFamilyCodecs } from "../../abi/load-balancing.js";
import { ownRelease } from "../../abi/release.js";
import type { BpfMap } from "../../kernel/bpf-map.js";
import type { FilteredRequest, RowStream } from "../../model/readers.js";
import type { L4Address, LbBackendRow, LbServiceRow, RevNatRow, SockRevNatRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { type MapSource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

const families = [4, 6] as const;
type Family = (typeof families)[number];

function lbCodecs(): LbCodecs {
  return createLbCodecs(ownRelease, new AddressReader());
}

function familyCodecs(codecs: LbCodecs, family: Family): LbFamilyCodecs {
  return family === 4 ? codecs.v4 : codecs.v6;
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
  const codecs = lbCodecs();
  const matcher = new RowMatcher(request.filter);
  using backends4 = context.openMap("cilium_lb4_backends_v3");
  using backends6 = context.openMap("cilium_lb6_backends_v3");
  const sources = families.map((family): MapSource<LbServiceRow> => {
    const { serviceKey, serviceValue, backendValue } = familyCodecs(codecs, family);
    const backends = family === 4 ? backends4 : backends6;
    const resolve = backendResolver(
      backends,
      (id) => codecs.backendId.encode(id),
      (bytes) => backendValue.decode(bytes),
    );
    return {
      name: `cilium_lb${family}_services_v2`,
      decode: (slice, rows) => {
        for (let i = 0; i < slice.count; i++) {
          const key = serviceKey.decode(slice.keys, i * serviceKey.sizeBytes);
          const value = serviceValue.decode(slice.values, i * serviceValue.sizeBytes);
          const backend = key.slot === 0 ? undefined : resolve(value.union0);
          // Rows that nobody wants are not even made: of 50,000 Services that is most of the time.
          if (matcher.isEmpty || matcher.matches(serviceTraits(key, backend)))
            rows.push(codecs.serviceRow(key, value, backend, context.place.name));
        }
      },
    };
  });
  return yield* readMaps(context, sources, signal);
}

function serviceTraits(frontend: L4Address, backend: L4Address | undefined): { ends: L4Address[]; protocol: number } {
  return { ends: backend === undefined ? [frontend] : [frontend, backend], protocol: frontend.protocol };
}

/** Looks each backend up once, however many slots lead to it. */
function backendResolver(
  map: BpfMap | undefined,
  encodeId: (id: number) => Buffer,
  decode: (bytes: Buffer) => L4Address,
): (id: number) => L4Address | undefined {
  const known = new Map<number, L4Address | undefined>();
  return (id) => {
    if (known.has(id)) return known.get(id);
    const bytes = map?.lookup(encodeId(id));
    const backend = bytes === undefined ? undefined : decode(bytes);
    known.set(id, backend && { address: backend.address, port: backend.port, protocol: backend.protocol });
    return known.get(id);
  };
}

export function readLbBackends(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<LbBackendRow> {
  const codecs = lbCodecs();
  const matcher = new RowMatcher(request.filter);
  const sources = families.map((family): MapSource<LbBackendRow> => {
    const { backendValue } = familyCodecs(codecs, family);
    return {
      name: `cilium_lb${family}_backends_v3`,
      decode: (slice, rows) => {
        for (let i = 0; i < slice.count; i++) {
          const id = codecs.backendId.decode(slice.keys, i * codecs.backendId.sizeBytes);
          const value = backendValue.decode(slice.values, i * backendValue.sizeBytes);
          const row = codecs.backendRow(id, value, context.place.name);
          if (matcher.isEmpty || matcher.matches({ ends: [row], protocol: row.protocol })) rows.push(row);
        }
      },
    };
  });
  return readMaps(context, sources, signal);
}

export function readLbReverseNat(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<RevNatRow> {
  const codecs = lbCodecs();
  const matcher = new RowMatcher(request.filter);
  const sources = families.map((family): MapSource<RevNatRow> => {
    const { revNatValue } = familyCodecs(codecs, family);
    return {
      name: `cilium_lb${family}_reverse_nat`,
      decode: (slice, rows) => {
        for (let i = 0; i < slice.count; i++) {
          const id = codecs.revNatId.decode(slice.keys, i * codecs.revNatId.sizeBytes);
          const row = codecs.revNatRow(
            id,
            revNatValue.decode(slice.values, i * revNatValue.sizeBytes),
            context.place.name,
          );
          if (matcher.isEmpty || matcher.matches({ ends: [row] })) rows.push(row);
        }
      },
    };
  });
  return readMaps(context, sources, signal);
}

/** Which frontend each socket dialled, by the backend that it was given. */
export function readSocketReverseNat(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<SockRevNatRow> {
  const codecs = lbCodecs();
  const matcher = new RowMatcher(request.filter);
  const sources = families.map((family): MapSource<SockRevNatRow> => {
    const { sockRevNatKey, sockRevNatValue } = familyCodecs(codecs, family);
    return {
      name: `cilium_lb${family}_reverse_sk`,
      decode: (slice, rows) => {
        for (let i = 0; i < slice.count; i++) {
          const key = sockRevNatKey.decode(slice.keys, i * sockRevNatKey.sizeBytes);
          const value = sockRevNatValue.decode(slice.values, i * sockRevNatValue.sizeBytes);
          const ends = [key, value];
          if (!matcher.isEmpty && !matcher.matches({ ends })) continue;
          rows.push({
            node: context.place.name,
            cookie: key.cookie,
            backend: key.address,
            backendPort: key.port,
            frontend: value.address,
            frontendPort: value.port,
            revNatId: value.revNatId,
          });
        }
      },
    };
  });
  return readMaps(context, sources, signal);
}

import type { SourceRangeRow } from "../../model/lb-rows.js";
import type { FilteredRequest, RowStream } from "../../model/readers.js";
import type { L4Address, LbBackendRow, LbServiceRow, RevNatRow, SockRevNatRow } from "../../model/rows.js";
import type { NodeContext } from "../node-context.js";
import { backendCodec, backendMap, familyCodecs, familySources, LbLookups, lbCodecs } from "./lb-maps.js";
import { entrySource, type MapSource, readMaps } from "./read-maps.js";
import { RowMatcher } from "./row-matcher.js";

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
  using lookups = new LbLookups(context);
  const sources = familySources((family): MapSource<LbServiceRow> => {
    const name = `cilium_lb${family}_services_v2`;
    const codecs = lbCodecs(context, name);
    const { serviceKey, serviceValue } = familyCodecs(codecs, family);
    return entrySource(name, { key: serviceKey, value: serviceValue }, (key, value) => {
      const backend = key.slot === 0 ? undefined : lookups.backend(family, value.union0);
      // Rows that nobody wants are not even made: of 50,000 Services that is most of the time.
      const isWanted = matcher.isEmpty || matcher.matches(serviceTraits(key, backend));
      return isWanted ? codecs.serviceRow(key, value, backend, context.place.name) : undefined;
    });
  });
  return yield* readMaps(context, sources, signal);
}

function serviceTraits(frontend: L4Address, backend: L4Address | undefined): { ends: L4Address[]; protocol: number } {
  return { ends: backend === undefined ? [frontend] : [frontend, backend], protocol: frontend.protocol };
}

export function readLbBackends(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<LbBackendRow> {
  const matcher = new RowMatcher(request.filter);
  const sources = familySources((family): MapSource<LbBackendRow> => {
    const name = backendMap(context, family);
    const codecs = lbCodecs(context, name);
    const value = backendCodec(codecs, family, name);
    return entrySource(name, { key: codecs.backendId, value }, (id, backend) => {
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

/** Clients that services take, or refuse, with the frontends that their ids stand for. */
export async function* readLbSourceRanges(
  context: NodeContext,
  request: FilteredRequest,
  signal: AbortSignal,
): RowStream<SourceRangeRow> {
  const matcher = new RowMatcher(request.filter);
  using lookups = new LbLookups(context);
  const sources = familySources((family): MapSource<SourceRangeRow> => {
    const name = `cilium_lb${family}_source_range`;
    const codecs = lbCodecs(context, name);
    const { sourceRangeKey } = familyCodecs(codecs, family);
    const head = { node: context.place.name, release: codecs.release };
    // The value is a mere presence.
    return entrySource(name, { key: sourceRangeKey, value: { decode: () => undefined } }, ({ revNatId, prefix }) => {
      const frontend = lookups.frontend(family, revNatId);
      const isWanted = matcher.matches({
        ends: [{ address: prefix.address }, ...(frontend === undefined ? [] : [frontend])],
      });
      return isWanted ? { ...head, revNatId, prefix, frontend } : undefined;
    });
  });
  return yield* readMaps(context, sources, signal);
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
    const codecs = lbCodecs(context, name);
    const { sockRevNatKey, sockRevNatValue } = familyCodecs(codecs, family);
    return entrySource(name, { key: sockRevNatKey, value: sockRevNatValue }, (key, value) => {
      if (!matcher.matches({ ends: [key, value] })) return undefined;
      return {
        node: context.place.name,
        release: codecs.release,
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

import { CtColumns, type CtColumnsHead, ctDirections, type NumberColumn } from "../model/conntrack-columns.js";
import { type CtCodecs, ctTupleFlag } from "./conntrack.js";

/**
 * The columns of the first `count` entries of a conntrack map whose keys and values lie side by side.
 * @throws AbiError `abi-size`
 */
export function readCtColumns(
  codecs: CtCodecs,
  head: Omit<CtColumnsHead, "layout">,
  { keys, values, count }: { readonly keys: Uint8Array; readonly values: Uint8Array; readonly count: number },
): CtColumns {
  const tuple = (head.map.endsWith("6") ? codecs.tuple6 : codecs.tuple4).columns(keys, count);
  const entry = codecs.entry.columns(values, count);
  const { direction, isRelated } = readKeyFlags(tuple);
  return new CtColumns(
    { ...head, layout: codecs.layout },
    {
      protocol: tuple.protocol,
      direction,
      isRelated,
      source: tuple.daddr,
      sourcePort: tuple.sport,
      destination: tuple.saddr,
      destinationPort: tuple.dport,
      expiresAtSeconds: entry.lifetimeSeconds,
      packets: entry.packets,
      bytes: entry.bytes,
      rxFlagsSeen: entry.rxFlagsSeen,
      txFlagsSeen: entry.txFlagsSeen,
      lastRxReportSeconds: entry.lastRxReportSeconds,
      lastTxReportSeconds: entry.lastTxReportSeconds,
      flags: entry.flags,
      revNatId: entry.revNatId,
      sourceIdentity: entry.sourceIdentity,
      union0: entry.union0,
      union1: entry.backendId,
      natPort: entry.natPort,
      interfaceIndex: entry.interfaceIndex,
    },
  );
}

const [out, incoming, service] = (["out", "in", "service"] as const).map((word) => ctDirections.indexOf(word));

/** Service entries hold the addresses as dialled and both ports swapped, the others the other way round: made alike here. */
function readKeyFlags(tuple: ReturnType<CtCodecs["tuple4"]["columns"]>) {
  const { flags, daddr, saddr, dport, sport } = tuple;
  const direction = new Uint8Array(flags.length);
  const isRelated = new Uint8Array(flags.length);
  const addressWords = daddr.length / Math.max(1, flags.length);
  for (let index = 0; index < flags.length; index++) {
    const bits = flags[index]!;
    isRelated[index] = (bits & ctTupleFlag.related) !== 0 ? 1 : 0;
    direction[index] = (bits & ctTupleFlag.in) !== 0 ? incoming! : out!;
    if ((bits & ctTupleFlag.service) === 0) continue;
    direction[index] = service!;
    swapElements(sport, dport, index);
    for (let word = 0; word < addressWords; word++) swapElements(daddr, saddr, index * addressWords + word);
  }
  return { direction, isRelated };
}

function swapElements(a: NumberColumn | Int32Array, b: NumberColumn | Int32Array, index: number): void {
  const kept = a[index]!;
  a[index] = b[index]!;
  b[index] = kept;
}

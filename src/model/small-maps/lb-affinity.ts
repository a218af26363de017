import { IpAddress } from "../../lib/ip.js";
import { secondsSince } from "../node-clock.js";
import { be, bit, bytes, u64, uint } from "../struct-fields.js";
import { type BalancedRow, backendFields, balancedTraits, serviceFields } from "./balanced-row.js";
import { type MapSource, type RowField, type RowOf, smallMap, source } from "./small-map.js";

const value = { lastUsed: u64("last_used"), backendId: uint("backend_id") };
const keyOf = (client: string) => ({
  /** An address, or the cookie of a network namespace in the first eight bytes. */
  client: bytes(client),
  isNamespace: bit("netns_cookie"),
  revNatId: be("rev_nat_id"),
});
// The IPv4 address is the first half of the cookie.
const affinitySources = [
  source("cilium_lb4_affinity", keyOf("client_cookie"), value),
  source("cilium_lb6_affinity", keyOf("client_ip"), value),
];

type AffinityRow = RowOf<typeof affinitySources> & BalancedRow;

const clientFields: Readonly<Record<string, RowField<AffinityRow>>> = {
  client: { header: "CLIENT", type: "address", doc: "outside the node's pods", isOptional: true, value: clientOf },
  clientName: { header: "FROM", type: "name", doc: "whose address it is", addressOf: clientOf },
  clientNamespace: {
    header: "NETNS",
    type: "counter",
    doc: "cookie of the client's network namespace, for pods of the node",
    isOptional: true,
    value: namespaceOf,
  },
};

/** Which backend a client was given, and is given again (`sessionAffinity: ClientIP`). */
export const affinityMap = smallMap<AffinityRow>(affinitySources as readonly MapSource<AffinityRow>[], {
  name: "lb-affinity",
  kind: "LbAffinityList",
  summary: "List which backends Services with session affinity have given to clients",
  description: "Entries come in the kernel's order unless --sort-by is given.",
  madeWhen: "it replaces kube-proxy",
  isTimed: true,
  balancing: { serviceId: (row) => row.revNatId, backendId: (row) => row.backendId },
  fields: {
    ...clientFields,
    ...serviceFields,
    ...backendFields,
    lastUsedSeconds: {
      type: "counter",
      doc: "time of the latest use, as the entry has it",
      value: (row) => row.lastUsed,
    },
    idleSeconds: {
      header: "IDLE",
      type: "integer",
      doc: "seconds from then to the reading",
      value: (row) => Number(idleOf(row)),
      text: (row) => `${idleOf(row)}s`,
    },
  },
  nameOf: (row) => `${clientOf(row)?.text ?? `netns-${namespaceOf(row)}`}-${row.revNatId}`,
  filters: {
    hasAddresses: true,
    hasServices: true,
    traits: (row) => {
      const client = clientOf(row);
      const { ends = [] } = balancedTraits(row);
      return { ends: client === undefined ? ends : [...ends, { address: client }] };
    },
  },
});

function clientOf({ client, isNamespace, pin }: AffinityRow): IpAddress | undefined {
  if (isNamespace) return undefined;
  return IpAddress.fromBytes(pin === "cilium_lb4_affinity" ? client.subarray(0, 4) : client);
}

function namespaceOf({ client, isNamespace }: AffinityRow): bigint | undefined {
  return isNamespace ? new DataView(client.buffer, client.byteOffset).getBigUint64(0, true) : undefined;
}

function idleOf({ clock, lastUsed }: AffinityRow): bigint {
  return secondsSince(clock, lastUsed);
}

const matchSources = [
  source("cilium_lb_affinity_match", { backendId: uint("backend_id"), revNatId: be("rev_nat_id") }, {}),
];

type AffinityMatchRow = RowOf<typeof matchSources> & BalancedRow;

/** Which backends still belong to a Service: a client whose backend does not gets another one. */
export const affinityMatchMap = smallMap<AffinityMatchRow>(matchSources as readonly MapSource<AffinityMatchRow>[], {
  name: "lb-affinity-match",
  kind: "LbAffinityMatchList",
  summary: "List the backends that clients of Services with session affinity may keep",
  madeWhen: "it replaces kube-proxy",
  balancing: { serviceId: (row) => row.revNatId, backendId: (row) => row.backendId },
  fields: { ...serviceFields, ...backendFields },
  order: (row) => [row.revNatId, row.backendId],
  nameOf: (row) => `${row.revNatId}-${row.backendId}`,
  filters: { hasAddresses: true, hasServices: true, traits: balancedTraits },
});

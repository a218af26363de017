import { layoutOf } from "./layouts.js";
import { ownRelease } from "./release.js";

/** Map types as the kernel's enumeration names them. */
export type CatalogueMapType =
  | "hash"
  | "lru_hash"
  | "percpu_hash"
  | "lru_percpu_hash"
  | "percpu_array"
  | "lpm_trie"
  | "array"
  | "array_of_maps"
  | "hash_of_maps"
  | "ringbuf";

/** Flags that our maps are made with (`BPF_F_*`). */
export const mapFlag = { noPrealloc: 0x1, noCommonLru: 0x2, readOnlyProgram: 0x80 } as const;

/** A map that our datapath pins. */
export interface CatalogueEntry {
  /** Pin name; `NNNNN` stands for an endpoint id. */
  readonly name: string;
  readonly type: CatalogueMapType;
  /** Names of the structures, or an integer type. */
  readonly key: string;
  readonly value: string;
  readonly keySizeBytes: number;
  readonly valueSizeBytes: number;
  readonly flags: number;
  readonly defaultMaxEntries: number;
  /** `upstream`: same name and layout as in upstream's release 1.20; `cts`: ours alone. */
  readonly origin: "upstream" | "cts";
  readonly description: string;
}

const scalarSizes: Readonly<Record<string, number>> = { u8: 1, u16: 2, u32: 4, u64: 8, none: 0 };

function sizeOf(type: string): number {
  return scalarSizes[type] ?? layoutOf(type, ownRelease).sizeBytes;
}

type Shape = readonly [key: string, value: string, flags: number, defaultMaxEntries: number];

function entry(name: string, type: CatalogueMapType, shape: Shape, description: string): CatalogueEntry {
  const [key, value, flags, defaultMaxEntries] = shape;
  return {
    name,
    type,
    key,
    value,
    keySizeBytes: sizeOf(key),
    valueSizeBytes: sizeOf(value),
    flags,
    defaultMaxEntries,
    origin: name.startsWith("cts_") ? "cts" : "upstream",
    description,
  };
}

const readOnly = mapFlag.noPrealloc | mapFlag.readOnlyProgram;
const writable = mapFlag.noPrealloc;

/** Maps that each address family has. */
function familyEntries(family: 4 | 6): readonly CatalogueEntry[] {
  const lb = (name: string): string => `cilium_lb${family}_${name}`;
  const struct = (name: string): string => `lb${family}_${name}`;
  const [tuple, revnat] = [`ipv${family}_ct_tuple`, `ipv${family}_revnat`];
  const words = `of IPv${family}`;
  return [
    entry(`cilium_ct${family}_global`, "lru_hash", [tuple, "ct_entry", 0, 524_288], `TCP connections ${words}`),
    entry(`cilium_ct_any${family}_global`, "lru_hash", [tuple, "ct_entry", 0, 262_144], `other connections ${words}`),
    entry(
      lb("services_v2"),
      "hash",
      [struct("key"), struct("service"), readOnly, 65_536],
      `service frontends and backend slots ${words}`,
    ),
    entry(lb("backends_v3"), "hash", ["u32", struct("backend"), writable, 65_536], `backends ${words} by id`),
    entry(
      lb("reverse_nat"),
      "hash",
      ["u16", struct("reverse_nat"), writable, 65_536],
      `frontends ${words} by service id`,
    ),
    entry(
      lb("reverse_sk"),
      "lru_hash",
      [`${revnat}_tuple`, `${revnat}_entry`, 0, 262_144],
      `frontends ${words} that sockets dialled`,
    ),
    entry(
      lb("affinity"),
      "lru_hash",
      [struct("affinity_key"), "lb_affinity_val", 0, 65_536],
      `backends ${words} that clients had last`,
    ),
    entry(
      lb("source_range"),
      "lpm_trie",
      [struct("src_range_key"), "u8", readOnly, 65_536],
      `clients ${words} of services`,
    ),
    entry(
      `cilium_snat_v${family}_external`,
      "lru_hash",
      [tuple, `ipv${family}_nat_entry`, 0, 524_288],
      `translated connections ${words}`,
    ),
    entry(
      `cilium_snat_v${family}_alloc_retries`,
      "percpu_array",
      ["u32", "u32", 0, 33],
      `tries to find a port ${words}`,
    ),
    entry(
      `cilium_ipmasq_v${family}`,
      "lpm_trie",
      [`lpm_v${family}_key`, "u8", readOnly, 16_384],
      `prefixes ${words} that pods reach under their own addresses`,
    ),
    entry(lb("maglev"), "hash_of_maps", ["u16", "u32", readOnly, 65_536], `Maglev tables ${words} by service id`),
  ];
}

/**
 * The maps of our datapath as bpf/lib/maps.h declares them, with upstream's default sizes. A pin of this name and
 * another shape is not ours.
 */
export const mapCatalogue: readonly CatalogueEntry[] = [
  ...familyEntries(4),
  ...familyEntries(6),
  entry(
    "cilium_lb_affinity_match",
    "hash",
    ["lb_affinity_match", "u8", readOnly, 65_536],
    "backends that keep the clients that they had",
  ),
  entry(
    "cilium_ratelimit",
    "lru_hash",
    ["ratelimit_key", "ratelimit_value", 0, 1024],
    "what may still be answered with ICMP errors",
  ),
  entry(
    "cilium_ratelimit_metrics",
    "hash",
    ["u32", "u64", writable, 64],
    "what was not answered, by the kind of limit",
  ),
  entry("cts_devices", "hash", ["u32", "cts_device", readOnly, 512], "addresses of the node's own devices"),
  entry(
    "cilium_lxc",
    "hash",
    ["endpoint_key", "endpoint_info", readOnly, 65_535],
    "addresses of this node's endpoints",
  ),
  entry(
    "cilium_ipcache_v2",
    "lpm_trie",
    ["ipcache_key", "remote_endpoint_info", readOnly, 512_000],
    "identities and tunnel endpoints by prefix",
  ),
  entry(
    "cilium_policy_v2_NNNNN",
    "lpm_trie",
    ["policy_key", "policy_entry", readOnly, 16_384],
    "policy of one endpoint",
  ),
  entry(
    "cilium_policystats",
    "lru_percpu_hash",
    ["policy_stats_key", "policy_stats_value", mapFlag.noCommonLru, 65_536],
    "how often each entry of a policy decided",
  ),
  entry(
    "cilium_metrics",
    "percpu_hash",
    ["metrics_key", "metrics_value", writable, 1_024],
    "forwarded and dropped packets by reason",
  ),
  entry(
    "cilium_ipv4_frag_datagrams",
    "lru_hash",
    ["ipv4_frag_id", "ipv4_frag_l4ports", 0, 8_192],
    "ports of fragmented datagrams",
  ),
  entry(
    "cilium_ipv6_frag_datagrams",
    "lru_hash",
    ["ipv6_frag_id", "ipv4_frag_l4ports", 0, 8_192],
    "ports of fragmented datagrams of IPv6",
  ),
  entry(
    "cts_owner",
    "hash",
    ["cts_owner_key", "cts_owner_value", writable, 8_192],
    "what this installation made in the kernel",
  ),
  entry("cts_policy_maps", "array_of_maps", ["u32", "u32", 0, 65_536], "policy maps by endpoint id"),
  entry("cts_policy_epoch", "array", ["u32", "u32", 0, 1], "counts the changes of policy maps; odd during one"),
  entry("cts_events", "array_of_maps", ["u32", "u32", 0, 4], "event ring buffers, one a reader"),
  entry("cts_event_types", "array", ["u32", "u32", 0, 4], "types of events that each ring's reader wants, as bits"),
  entry("cts_events_lost", "percpu_array", ["u32", "u64", 0, 4], "events that found their ring full"),
  entry("cts_event_leases", "hash", ["u32", "u64", 0, 4], "until when a session has its event ring"),
];

const endpointId = /\d{5}$/;

/** The entry that describes the pin `name` (`cilium_policy_v2_00878` is one of `cilium_policy_v2_NNNNN`). */
export function findCatalogueEntry(name: string): CatalogueEntry | undefined {
  const pattern = name.replace(endpointId, "NNNNN");
  return mapCatalogue.find((candidate) => candidate.name === name || candidate.name === pattern);
}

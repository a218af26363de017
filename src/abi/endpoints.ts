import type { IpAddress } from "../lib/ip.js";
import type { LocalEndpointRow } from "../model/rows.js";
import { bytes, mac, optional, orElse, uint } from "../model/struct-fields.js";
import { addressOfUnion, unionOfAddress } from "./address-reader.js";
import { type Codec, mapCodec } from "./codec.js";
import { newestOf, type Releases } from "./release.js";
import { structCodec } from "./struct-codec.js";

/** Key of `cilium_lxc` (20 bytes). */
export interface EndpointKey {
  readonly address: IpAddress;
  /** Always 0 from today's agents. */
  readonly key: number;
  readonly clusterId: number | undefined;
}

/** Value of `cilium_lxc` (48 bytes). */
export interface EndpointInfo {
  /** Of the host's side. */
  readonly interfaceIndex: number;
  readonly endpointId: number;
  /** {@link endpointFlag} */
  readonly flags: number;
  /** Since 1.20. */
  readonly routeInfo: number;
  /** `AA:BB:CC:DD:EE:FF` */
  readonly mac: string;
  readonly nodeMac: string;
  readonly identity: number;
  /** Since 1.17. */
  readonly parentInterfaceIndex: number;
  /** Ours alone, 0 for all others: in which `EVENT_*` of the programs the endpoint differs from its node. */
  readonly eventOptions: number;
}

export const endpointFlag = { host: 1, atHostNamespace: 2, noSnatV4: 4, noSnatV6: 8 } as const;

export interface EndpointCodecs {
  readonly key: Codec<EndpointKey>;
  readonly value: Codec<EndpointInfo>;
  row(key: EndpointKey, value: EndpointInfo, node?: string): LocalEndpointRow;
}

interface RawKey {
  readonly ip: Uint8Array;
  readonly family: number;
  readonly key: number;
  readonly clusterId: number | undefined;
}

export function createEndpointCodecs(releases: Releases): EndpointCodecs {
  const release = newestOf(releases);
  const rawKey = structCodec<RawKey>("endpoint_key", releases, {
    ip: bytes("ip6"),
    family: uint("family"),
    key: uint("key"),
    clusterId: optional(uint("cluster_id")),
  });
  return {
    key: mapCodec<RawKey, EndpointKey>(
      rawKey,
      (raw) => ({ address: addressOfUnion(raw.ip, raw.family), key: raw.key, clusterId: raw.clusterId }),
      ({ address, key, clusterId }) => ({ ...unionOfAddress(address), key, clusterId }),
    ),
    value: structCodec<EndpointInfo>("endpoint_info", releases, {
      interfaceIndex: uint("ifindex"),
      endpointId: uint("lxc_id"),
      flags: uint("flags"),
      routeInfo: orElse(uint("rt_info"), 0),
      mac: mac("mac"),
      nodeMac: mac("node_mac"),
      identity: uint("sec_id"),
      parentInterfaceIndex: orElse(uint("parent_ifindex"), 0),
      eventOptions: orElse(uint("event_options"), 0),
    }),
    row: (key, value, node) => ({
      node,
      release,
      address: key.address,
      key: key.key,
      clusterId: key.clusterId,
      isHost: (value.flags & endpointFlag.host) !== 0,
      endpointId: value.endpointId,
      identity: value.identity,
      flags: value.flags,
      interfaceIndex: value.interfaceIndex,
      mac: value.mac,
      nodeMac: value.nodeMac,
      parentInterfaceIndex: value.parentInterfaceIndex,
      routeInfo: value.routeInfo,
    }),
  };
}

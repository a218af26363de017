import { type IpAddress, IpPrefix } from "../lib/ip.js";
import type { IpcacheRow } from "../model/rows.js";
import { bitGroup, bytes, optional, orElse, uint } from "../model/struct-fields.js";
import { isReleaseSince } from "../model/upstream-release.js";
import { addressOfUnion, unionOfAddress } from "./address-reader.js";
import { AbiError, type Codec, mapCodec } from "./codec.js";
import { newestOf, type Release, type Releases } from "./release.js";
import { structCodec } from "./struct-codec.js";

/** Key of the ipcache (24 bytes): longest prefix match over cluster id, family and address. */
export interface IpcacheKey {
  readonly prefix: IpPrefix;
  readonly clusterId: number | undefined;
}

/** Value of `cilium_ipcache_v2` (24 bytes, since 1.18) and of `cilium_ipcache` (12 bytes before). */
export interface IpcacheValue {
  readonly identity: number;
  /** Node to tunnel to; undefined for none. */
  readonly tunnelEndpoint: IpAddress | undefined;
  readonly encryptKey: number;
  /** {@link ipcacheFlag}; 0 up to 1.15. */
  readonly flags: number;
}

export const ipcacheFlag = { skipTunnel: 1, hasTunnelEndpoint: 2, ipv6TunnelEndpoint: 4, remoteCluster: 8 } as const;

const flagNames: readonly (readonly [number, string])[] = [
  [ipcacheFlag.skipTunnel, "skiptunnel"],
  [ipcacheFlag.hasTunnelEndpoint, "hastunnel"],
  [ipcacheFlag.ipv6TunnelEndpoint, "ipv6tunnel"],
  [ipcacheFlag.remoteCluster, "remotecluster"],
];

/** The release's words for the flags, in its order. 1.16 and 1.17 know the first alone. */
export function ipcacheFlagNames(flags: number, release: Release): readonly string[] {
  const known = isReleaseSince(release, "1.18") ? flagNames : flagNames.slice(0, 1);
  return known.filter(([bit]) => (flags & bit) !== 0).map(([, name]) => name);
}

/** Bits of the key in front of the address: cluster id, padding, family. */
export const ipcacheStaticPrefixBits = 32;

export interface IpcacheCodecs {
  readonly key: Codec<IpcacheKey>;
  readonly value: Codec<IpcacheValue>;
  row(key: IpcacheKey, value: IpcacheValue, node?: string): IpcacheRow;
}

interface RawKey {
  readonly prefixLength: number;
  readonly clusterId: number | undefined;
  readonly family: number;
  readonly ip: Uint8Array;
}

interface RawValue {
  readonly identity: number;
  readonly tunnel: Uint8Array;
  readonly encryptKey: number;
  readonly flags: number;
}

export function createIpcacheCodecs(releases: Releases): IpcacheCodecs {
  const release = newestOf(releases);
  const rawKey = structCodec<RawKey>("ipcache_key", releases, {
    prefixLength: uint("prefixlen"),
    clusterId: optional(uint("cluster_id")),
    family: uint("family"),
    ip: bytes("ip6"),
  });
  const rawValue = structCodec<RawValue>("remote_endpoint_info", releases, {
    identity: uint("sec_identity"),
    tunnel: bytes("tunnel_endpoint.ip6", "tunnel_endpoint"),
    encryptKey: uint("key"),
    flags: orElse(bitGroup(1, "flag_skip_tunnel"), 0),
  });
  // The value grew with the union of IPv4 and IPv6 tunnel endpoints (1.18).
  const unionBytes = rawValue.sizeBytes === 24 ? 16 : 4;
  return {
    key: mapCodec(rawKey, keyOfRaw, rawOfKey),
    value: mapCodec(rawValue, valueOfRaw, (value) => rawOfValue(value, unionBytes)),
    row: (key, value, node) => ({
      node,
      release,
      prefix: key.prefix,
      clusterId: key.clusterId,
      identity: value.identity,
      encryptKey: value.encryptKey,
      tunnelEndpoint: value.tunnelEndpoint,
      flags: value.flags,
      flagNames: ipcacheFlagNames(value.flags, release),
    }),
  };
}

function keyOfRaw(raw: RawKey): IpcacheKey {
  const address = addressOfUnion(raw.ip, raw.family);
  const length = raw.prefixLength - ipcacheStaticPrefixBits;
  if (length < 0 || length > address.bitLength) {
    throw new AbiError(
      "abi-prefix",
      `an ipcache key of family ${raw.family} cannot have ${raw.prefixLength} prefix bits`,
      {
        details: { prefixLength: raw.prefixLength, family: raw.family },
      },
    );
  }
  return { prefix: IpPrefix.of(address, length), clusterId: raw.clusterId };
}

function rawOfKey(key: IpcacheKey): RawKey {
  return {
    prefixLength: ipcacheStaticPrefixBits + key.prefix.length,
    clusterId: key.clusterId,
    ...unionOfAddress(key.prefix.address),
  };
}

function valueOfRaw(raw: RawValue): IpcacheValue {
  return {
    identity: raw.identity,
    tunnelEndpoint: tunnelOfRaw(raw),
    encryptKey: raw.encryptKey,
    flags: raw.flags,
  };
}

/** An all-zero union is no endpoint, flag or not: upstream up to 1.17 has no flag. */
function tunnelOfRaw(raw: RawValue): IpAddress | undefined {
  if (raw.tunnel.every((byte) => byte === 0)) return undefined;
  return addressOfUnion(raw.tunnel, (raw.flags & ipcacheFlag.ipv6TunnelEndpoint) !== 0 ? 2 : 1);
}

function rawOfValue(value: IpcacheValue, unionBytes: 4 | 16): RawValue {
  const tunnel = new Uint8Array(unionBytes);
  const endpoint = value.tunnelEndpoint?.bytes ?? new Uint8Array(0);
  const isV6 = (value.flags & ipcacheFlag.ipv6TunnelEndpoint) !== 0;
  if (endpoint.length > unionBytes || (endpoint.length > 0 && isV6 !== (endpoint.length === 16))) {
    throw new AbiError(
      "abi-family",
      `tunnel endpoint ${value.tunnelEndpoint} does not agree with the flags ${value.flags}`,
    );
  }
  tunnel.set(endpoint);
  return { identity: value.identity, tunnel, encryptKey: value.encryptKey, flags: value.flags };
}

import { type IpAddress, IpPrefix } from "../lib/ip.js";
import type { IpcacheRow, TunnelRow } from "../model/rows.js";
import { bytes, optional, uint } from "../model/struct-fields.js";
import { addressOfUnion, unionOfAddress } from "./address-reader.js";
import { type Codec, mapCodec } from "./codec.js";
import type { Releases } from "./release.js";
import { structCodec } from "./struct-codec.js";

/** Key of `cilium_tunnel_map` (20 bytes, up to 1.17): base address of a remote node's pod CIDR, without its length. */
export interface TunnelKey {
  readonly address: IpAddress;
  readonly clusterId: number | undefined;
}

/** Value of `cilium_tunnel_map` (20 bytes): the node. */
export interface TunnelValue {
  readonly address: IpAddress;
  readonly encryptKey: number;
}

export interface TunnelCodecs {
  readonly key: Codec<TunnelKey>;
  readonly value: Codec<TunnelValue>;
  row(key: TunnelKey, value: TunnelValue, node?: string): TunnelRow;
}

/** @throws AbiError `abi-layout` from 1.18 on: the tunnel endpoint moved into the ipcache */
export function createTunnelCodecs(releases: Releases): TunnelCodecs {
  const key = structCodec<{ ip: Uint8Array; family: number; clusterId: number | undefined }>("tunnel_key", releases, {
    ip: bytes("ip6"),
    family: uint("family"),
    clusterId: optional(uint("cluster_id")),
  });
  const value = structCodec<{ ip: Uint8Array; family: number; encryptKey: number }>("tunnel_value", releases, {
    ip: bytes("ip6"),
    family: uint("family"),
    encryptKey: uint("key"),
  });
  return {
    key: mapCodec<{ ip: Uint8Array; family: number; clusterId: number | undefined }, TunnelKey>(
      key,
      (raw) => ({ address: addressOfUnion(raw.ip, raw.family), clusterId: raw.clusterId }),
      ({ address, clusterId }) => ({ ...unionOfAddress(address), clusterId }),
    ),
    value: mapCodec<{ ip: Uint8Array; family: number; encryptKey: number }, TunnelValue>(
      value,
      (raw) => ({ address: addressOfUnion(raw.ip, raw.family), encryptKey: raw.encryptKey }),
      ({ address, encryptKey }) => ({ ...unionOfAddress(address), encryptKey }),
    ),
    row: (tunnelKey, tunnelValue, node) => ({
      node,
      prefix: IpPrefix.host(tunnelKey.address),
      clusterId: tunnelKey.clusterId,
      tunnelEndpoint: tunnelValue.address,
      encryptKey: tunnelValue.encryptKey,
      origin: "tunnel-map",
    }),
  };
}

/** The tunnel row that an ipcache entry of a pod CIDR stands for (1.18 and newer); undefined for all other entries. */
export function tunnelRowOfIpcache(row: IpcacheRow): TunnelRow | undefined {
  if (row.tunnelEndpoint === undefined || row.prefix.length === row.prefix.address.bitLength) return undefined;
  return {
    node: row.node,
    prefix: row.prefix,
    clusterId: row.clusterId,
    tunnelEndpoint: row.tunnelEndpoint,
    encryptKey: row.encryptKey,
    identity: row.identity,
    origin: "ipcache",
  };
}

import type { IpAddress } from "../lib/ip.js";
import type { NodeIdRow } from "../model/rows.js";
import { addressOfUnion, unionOfAddress } from "./address-reader.js";
import { type Codec, mapCodec } from "./codec.js";
import { parseLayout } from "./layout.js";
import { hasLayout, layoutsOf } from "./layouts.js";
import type { Releases } from "./release.js";
import { layoutCodec, structCodec } from "./struct-codec.js";
import { bytes, orElse, uint } from "./struct-fields.js";

/** Value of `cilium_node_map_v2` (4 bytes, since 1.16) and `cilium_node_map` (the id alone, 2 bytes). */
export interface NodeIdValue {
  readonly nodeId: number;
  /** IPsec key; 0 for none and in the old map. */
  readonly spi: number;
}

export interface NodeMapCodecs {
  /** Key (20 bytes): an address of a node. */
  readonly key: Codec<IpAddress>;
  readonly value: Codec<NodeIdValue>;
  row(address: IpAddress, value: NodeIdValue, node?: string): NodeIdRow;
}

interface RawKey {
  readonly ip: Uint8Array;
  readonly family: number;
}

export function createNodeMapCodecs(releases: Releases): NodeMapCodecs {
  const rawKey = structCodec<RawKey>("node_key", releases, {
    ip: bytes("ip6"),
    family: uint("family"),
  });
  const hasSpi = releases.some((release) => hasLayout("node_value", release));
  const valueLayouts = hasSpi ? layoutsOf("node_value", releases) : [parseLayout(2, "id@0:2")];
  return {
    key: mapCodec<RawKey, IpAddress>(rawKey, (raw) => addressOfUnion(raw.ip, raw.family), unionOfAddress),
    value: layoutCodec<NodeIdValue>("node_value", valueLayouts, { nodeId: uint("id"), spi: orElse(uint("spi"), 0) }),
    row: (address, value, node) => ({ node, address, nodeId: value.nodeId, spi: value.spi }),
  };
}

import { createEndpointCodecs, endpointFlag } from "../abi/endpoints.js";
import { createIpcacheCodecs, ipcacheFlag } from "../abi/ipcache.js";
import { createPolicyCodecs, policyPrecedence, policyStaticPrefixBits } from "../abi/policy.js";
import { ownReleases } from "../abi/release.js";
import { structCodec } from "../abi/struct-codec.js";
import { IpAddress, type IpPrefix } from "../lib/ip.js";
import type { EndpointEntry, IpcacheEntry, NodeDevice, PolicyEntry } from "../model/datapath-port.js";
import type { EventOptions } from "../model/event-options.js";
import { ip4, ip6, uint } from "../model/struct-fields.js";
import { eventOptionBits } from "./event-options.js";
import type { TableEntry } from "./table.js";

const PROTOCOL_BITS = 8;
/** Upper 24 bits of a precedence: no rule has a priority yet, so all have the highest. */
const HIGHEST_PRIORITY = 0xffffff00;
const NO_MAC = "00:00:00:00:00:00";

const endpointCodecs = createEndpointCodecs(ownReleases);
const ipcacheCodecs = createIpcacheCodecs(ownReleases);
const policyCodecs = createPolicyCodecs(ownReleases);

export const POLICY_KEY_BYTES = policyCodecs.key.sizeBytes;
export const POLICY_ENTRY_BYTES = policyCodecs.value.sizeBytes;

/** @param node what endpoints have that have no options of their own */
export function encodeEndpoint(entry: EndpointEntry, node: EventOptions): TableEntry {
  return {
    key: endpointCodecs.key.encode({ address: entry.address, key: 0, clusterId: 0 }),
    value: endpointCodecs.value.encode({
      interfaceIndex: entry.ifindex,
      endpointId: entry.endpointId,
      flags: 0,
      routeInfo: 0,
      mac: entry.mac,
      nodeMac: entry.nodeMac,
      identity: entry.identity,
      parentInterfaceIndex: 0,
      eventOptions: eventOptionBits(node) ^ eventOptionBits({ ...node, ...entry.eventOptions }),
    }),
  };
}

/** An address of the node itself: upstream writes the flag and nothing else. */
export function encodeHostAddress(address: IpAddress): TableEntry {
  return {
    key: endpointCodecs.key.encode({ address, key: 0, clusterId: 0 }),
    value: endpointCodecs.value.encode({
      interfaceIndex: 0,
      endpointId: 0,
      flags: endpointFlag.host,
      routeInfo: 0,
      mac: NO_MAC,
      nodeMac: NO_MAC,
      identity: 0,
      parentInterfaceIndex: 0,
      eventOptions: 0,
    }),
  };
}

export function encodeIpcacheKey(prefix: IpPrefix): Buffer {
  return ipcacheCodecs.key.encode({ prefix, clusterId: 0 });
}

export function encodeIpcacheEntry(entry: IpcacheEntry): TableEntry {
  const { identity, tunnelEndpoint } = entry;
  const isIpv6 = tunnelEndpoint?.family === 6;
  const tunnelFlags = ipcacheFlag.hasTunnelEndpoint | (isIpv6 ? ipcacheFlag.ipv6TunnelEndpoint : 0);
  const flags = tunnelEndpoint === undefined ? 0 : tunnelFlags;
  return {
    key: encodeIpcacheKey(entry.prefix),
    value: ipcacheCodecs.value.encode({ identity, tunnelEndpoint, encryptKey: 0, flags }),
  };
}

export function decodeIpcacheEntry({ key, value }: TableEntry): IpcacheEntry {
  const { prefix } = ipcacheCodecs.key.decode(key);
  const { identity, tunnelEndpoint } = ipcacheCodecs.value.decode(value);
  return { prefix, identity, ...(tunnelEndpoint === undefined ? {} : { tunnelEndpoint }) };
}

export function encodePolicyEntry(entry: PolicyEntry): TableEntry {
  const lpmPrefixLength = entry.protocol === 0 ? 0 : PROTOCOL_BITS + entry.portPrefixLength;
  const isDeny = entry.verdict === "deny";
  return {
    key: policyCodecs.key.encode({
      prefixLength: policyStaticPrefixBits + lpmPrefixLength,
      identity: entry.identity,
      isEgress: entry.direction === "egress",
      protocol: entry.protocol,
      port: entry.port,
    }),
    value: policyCodecs.value.encode({
      proxyPort: 0,
      isDeny,
      lpmPrefixLength,
      authType: 0,
      hasExplicitAuthType: false,
      precedence: HIGHEST_PRIORITY + (isDeny ? policyPrecedence.deny : policyPrecedence.allow),
      cookie: entry.cookie ?? 0,
      proxyPortPriority: undefined,
      packets: undefined,
      bytes: undefined,
    }),
  };
}

const deviceCodec = structCodec("cts_device", ownReleases, {
  ipv4: ip4("ipv4"),
  ipv6: ip6("ipv6"),
  hasXdp: uint("has_xdp"),
});
const NO_IPV4 = IpAddress.parse("0.0.0.0");
const NO_IPV6 = IpAddress.parse("::");

/** What a device of the node is masqueraded with, and whether XDP programs of other devices may send by it. */
export function encodeDevice({ ifindex, ipv4 = NO_IPV4, ipv6 = NO_IPV6 }: NodeDevice, hasXdp = false): TableEntry {
  const key = Buffer.alloc(4);
  key.writeUInt32LE(ifindex);
  return { key, value: deviceCodec.encode({ ipv4, ipv6, hasXdp: hasXdp ? 1 : 0 }) };
}

/** `lpm_v4_key` or `lpm_v6_key`: bits, then the address. */
export function encodeNonMasqueraded({ address, length }: IpPrefix): TableEntry {
  const bits = Buffer.alloc(4);
  bits.writeUInt32LE(length);
  return { key: Buffer.concat([bits, address.bytes]), value: Buffer.of(1) };
}

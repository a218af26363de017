import { createEndpointCodecs, endpointFlag } from "../abi/endpoints.js";
import { createIpcacheCodecs, ipcacheFlag } from "../abi/ipcache.js";
import { createPolicyCodecs, policyPrecedence, policyStaticPrefixBits } from "../abi/policy.js";
import { ownReleases } from "../abi/release.js";
import type { IpAddress, IpPrefix } from "../lib/ip.js";
import type { EndpointEntry, IpcacheEntry, PolicyEntry } from "../model/datapath-port.js";
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

export function encodeEndpoint(entry: EndpointEntry): TableEntry {
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

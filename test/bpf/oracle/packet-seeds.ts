import { IpAddress } from "../../../src/lib/ip.js";
import type { PolicyEntry } from "../../../src/model/datapath-port.js";
import type { Random } from "../../fuzz/mutate.js";
import { hostIp, ip6, pod, remotePod, vip, worldIp } from "../harness.js";
import { arpRequest, fragmentHeader, ipv4Packet, ipv6Packet, proto, tcpFlag } from "../packet-builder.js";

/** Addresses by who has them, of both families. */
export const addresses = {
  client: [pod.client.ip, ip6.client],
  server: [pod.server.ip, ip6.server],
  remote: [remotePod.ip, ip6.remotePod],
  host: [hostIp, ip6.host],
  vip: [vip, ip6.vip],
  world: [worldIp, ip6.world],
} as const;

/** Few, so that packets meet connections of earlier ones. */
const ports = [80, 8080, 40_000] as const;
const TUNNEL_PORT = 8472;
const flags = [tcpFlag.syn, tcpFlag.ack, tcpFlag.syn | tcpFlag.ack, tcpFlag.fin | tcpFlag.ack, tcpFlag.rst] as const;
const everybody = Object.keys(addresses) as readonly (keyof typeof addresses)[];

/** A well-formed packet: of a pod, to it, or between others. */
export function makePacket(random: Random, between: { readonly from?: "client"; readonly to?: "client" }): Buffer {
  const isV6 = random.below(2) === 1;
  const index = isV6 ? 1 : 0;
  // Whoever should send something sometimes claims to be another.
  const from = random.below(8) === 0 ? undefined : between.from;
  const source = addresses[from ?? random.pick(everybody)][index];
  const destination = addresses[between.to ?? random.pick(everybody)][index];
  if (random.below(40) === 0) return arpRequest({ senderMac: pod.client.mac, sender: pod.client.ip, target: hostIp });
  const icmp = isV6 ? proto.icmpv6 : proto.icmp;
  const protocol = random.pick([proto.tcp, proto.tcp, proto.udp, proto.udp, icmp, proto.sctp, proto.gre]);
  const options = {
    source,
    destination,
    protocol,
    sourcePort: random.pick(ports),
    destinationPort: random.below(20) === 0 ? TUNNEL_PORT : random.pick(ports),
    tcpFlags: random.pick(flags),
    ttl: random.pick([1, 2, 64, 64, 64, 255]),
    payload: Buffer.alloc(random.below(200), random.below(256)),
    ...(random.below(4) === 0 ? { udpChecksum: "zero" as const } : {}),
    ...(protocol === icmp ? { icmp: makeIcmp(random, isV6) } : {}),
  };
  if (protocol === icmp && random.below(2) === 0) return makeError(random, options, isV6);
  if (isV6) return ipv6Packet(random.below(5) === 0 ? { ...options, extensions: [makeFragment(random)] } : options);
  return ipv4Packet(random.below(5) === 0 ? { ...options, ...makeFragment4(random) } : options);
}

function makeIcmp(random: Random, isV6: boolean): { readonly type: number; readonly rest: Buffer } {
  const type = random.pick(isV6 ? [128, 129, 133, 134, 135, 136, 143] : [8, 0, 13, 5]);
  return { type, rest: Buffer.from([0, random.below(3), 0, random.below(3)]) };
}

function makeFragment4(random: Random): { readonly fragment: number; readonly identification: number } {
  return { fragment: random.pick([0x2000, 0x2000, 0x2001, 0x0001]), identification: random.below(4) };
}

function makeFragment(random: Random): { readonly number: number; readonly bytes: Buffer } {
  const offset = random.pick([0, 0, 8]);
  return { number: 44, bytes: fragmentHeader(random.below(4), offset, offset === 0) };
}

/** An ICMP error that quotes a packet which its receiver may have sent. */
function makeError(random: Random, options: Parameters<typeof ipv4Packet>[0], isV6: boolean): Buffer {
  const quoted = {
    source: random.below(2) === 0 ? options.source : options.destination,
    destination: addresses[random.pick(everybody)][isV6 ? 1 : 0],
    protocol: random.pick([proto.tcp, proto.udp]),
    sourcePort: random.pick(ports),
    destinationPort: random.pick(ports),
  };
  const inner = (isV6 ? ipv6Packet(quoted) : ipv4Packet(quoted)).subarray(14);
  const icmp = { type: random.pick(isV6 ? [1, 2, 3, 4] : [3, 11, 12]) };
  const error = { ...options, icmp, payload: isV6 ? inner : inner.subarray(0, 28) };
  return isV6 ? ipv6Packet(error) : ipv4Packet(error);
}

export function hexOf(address: string): string {
  return Buffer.from(IpAddress.parse(address).bytes).toString("hex");
}

/** Rules of all kinds about the identities that there are. */
export function makePolicy(random: Random): readonly PolicyEntry[] {
  const entry = (): PolicyEntry => {
    const protocol = random.pick([0, proto.tcp, proto.udp, proto.icmp, proto.icmpv6, proto.sctp]);
    const portPrefixLength = protocol === 0 ? 0 : random.pick([0, 0, 12, 16]);
    const port =
      portPrefixLength === 0 ? 0 : random.pick([80, 8080, 53, 40_000, 8, 128]) & (0xffff << (16 - portPrefixLength));
    const peers = [0, 0, 1, 2, pod.client.identity, pod.server.identity, remotePod.identity];
    return {
      direction: random.pick(["ingress", "egress"]),
      identity: random.pick(peers),
      protocol,
      port,
      portPrefixLength,
      verdict: random.below(4) === 0 ? "deny" : "allow",
    };
  };
  const all = Array.from({ length: 1 + random.below(12) }, entry);
  // Of one key the map holds one entry.
  const keyOf = ({ direction, identity, protocol, port, portPrefixLength }: PolicyEntry): string =>
    [direction, identity, protocol, port, portPrefixLength].join();
  return [...new Map(all.map((one) => [keyOf(one), one])).values()];
}

import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { encodeDevice } from "../../src/datapath/entries.js";
import { readEntries } from "../../src/datapath/table.js";
import { interfaceIndex } from "../../src/kernel/net.js";
import { IpAddress } from "../../src/lib/ip.js";
import { DatapathHarness, ip6, nodeIp } from "./harness.js";
import {
  ipv4Packet,
  ipv6Packet,
  type PacketOptions,
  parseFrame,
  parseFrame6,
  proto,
  tcpFlag,
} from "./packet-builder.js";

/** Flags of a frontend: routable, NodePort; in the second byte direct server return. */
export const flags = { snat: 0x42, dsr: 0x8042, inside: 0, sourceRange: 0x80 } as const;
/** A device that packets come in by, and another one. Routes of addresses that no other test uses lie behind both. */
export const near = `ctsxa${process.pid}`;
export const far = `ctsxb${process.pid}`;
export const nextHopMac = { [near]: "02c0a8000001", [far]: "02c0a8000002" } as const;
export const SMALL_MTU = 1280;
export const FRONTEND_PORT = 30_080;

export interface Ends {
  readonly node: string;
  readonly client: string;
  readonly backend: string;
  /** Behind the other device, behind a route of {@link SMALL_MTU}, without a known neighbour, without a route. */
  readonly beyond: string;
  readonly narrow: string;
  readonly silent: string;
  readonly lost: string;
}

export const ends: Readonly<Record<4 | 6, Ends>> = {
  4: {
    node: nodeIp,
    client: "198.18.77.7",
    backend: "198.18.78.7",
    beyond: "198.18.79.7",
    narrow: "198.18.80.7",
    silent: "198.18.78.9",
    lost: "240.18.81.7",
  },
  6: {
    node: ip6.node,
    client: "fd00:c75:77::7",
    backend: "fd00:c75:78::7",
    beyond: "fd00:c75:79::7",
    narrow: "fd00:c75:80::7",
    silent: "fd00:c75:78::9",
    lost: "fd00:c75:81::7",
  },
};

const ip = (...words: readonly string[]): string => execFileSync("ip", words, { encoding: "utf8" });

function makeDevice(name: string): void {
  ip("link", "add", name, "type", "veth", "peer", "name", `${name}p`);
  for (const device of [name, `${name}p`]) {
    writeFileSync(`/proc/sys/net/ipv6/conf/${device}/disable_ipv6`, "0");
    ip("link", "set", device, "up");
  }
  for (const family of ["ipv4", "ipv6"]) writeFileSync(`/proc/sys/net/${family}/conf/${name}/forwarding`, "1");
}

function makeRoutes(family: 4 | 6): void {
  const { client, backend, beyond, narrow, silent } = ends[family];
  const known = [
    [client, near],
    [backend, near],
    [beyond, far],
    [narrow, near],
  ] as const;
  for (const [address, device] of known) {
    const mtu = address === narrow ? ["mtu", "lock", String(SMALL_MTU)] : [];
    ip(`-${family}`, "route", "add", address, "dev", device, ...mtu);
    const mac = nextHopMac[device]!.match(/../g)!.join(":");
    ip("neigh", "add", address, "lladdr", mac, "nud", "permanent", "dev", device);
  }
  ip(`-${family}`, "route", "add", silent, "dev", near);
}

/** Two devices, and routes behind them to {@link ends}. */
export function makeDevices(): void {
  try {
    for (const name of [near, far]) makeDevice(name);
    for (const family of families) makeRoutes(family);
  } catch (error) {
    removeDevices();
    throw error;
  }
}

export function removeDevices(): void {
  for (const name of [near, far]) if (interfaceIndex(name) !== undefined) ip("link", "del", name);
}

/** Two devices with routes behind them, and a datapath for each way to a backend on another node. */
export class XdpNode implements Disposable {
  readonly snat: DatapathHarness;
  readonly direct: DatapathHarness;

  constructor() {
    this.snat = new DatapathHarness({ enableIpv6: true, routingMode: "native", ctAccounting: true });
    this.direct = new DatapathHarness({ enableIpv6: true, routingMode: "native", lbMode: "dsr" });
    makeDevices();
  }

  /** All maps as they are at first. */
  reset(): void {
    for (const one of [this.snat, this.direct]) prepare(one);
  }

  [Symbol.dispose](): void {
    for (const one of [this.snat, this.direct]) one[Symbol.dispose]();
    removeDevices();
  }
}

function prepare(one: DatapathHarness): void {
  one.reset();
  one.addIp6();
  for (const { node } of [ends[4], ends[6]]) one.addHost(node);
  setDevice(one, near, true);
  setDevice(one, far, true);
}

export function setDevice(one: DatapathHarness, name: string, hasXdp: boolean): void {
  const device = encodeDevice({ name, ifindex: interfaceIndex(name)!, ipv4: IpAddress.parse(nodeIp) }, hasXdp);
  one.get("cts_devices").update(device.key, device.value);
}

export const inUrl = (address: string, port: number): string =>
  address.includes(":") ? `[${address}]:${port}` : `${address}:${port}`;

export type Options = Partial<PacketOptions> & { readonly source?: string; readonly destination?: string };

/** The packets of one client's connection through a node port. */
export class Dialogue {
  readonly #options: Options;
  readonly family: 4 | 6;
  readonly one: DatapathHarness;
  readonly ends: Ends;

  constructor(one: DatapathHarness, family: 4 | 6, options: Options = {}) {
    this.one = one;
    this.family = family;
    this.ends = ends[family];
    this.#options = options;
  }

  expose(backend = this.ends.backend, serviceFlags: number = flags.snat): void {
    this.one.addService([inUrl(backend, 8080)], {
      vip: this.ends.node,
      port: FRONTEND_PORT,
      flags: serviceFlags,
      protocol: this.#options.protocol ?? proto.tcp,
    });
  }

  packet(options: Options): Buffer {
    const { client, node } = this.ends;
    const whole = { source: client, destination: node, sourcePort: 50_000, destinationPort: FRONTEND_PORT };
    const packet = { tcpFlags: tcpFlag.ack, payload: Buffer.from("text"), ...whole, ...this.#options, ...options };
    return this.family === 4 ? ipv4Packet(packet) : ipv6Packet(packet);
  }

  parse(frame: Buffer) {
    return this.family === 4 ? { ...parseFrame(frame) } : { ...parseFrame6(frame), ipChecksumIsRight: true };
  }

  viaTc(frame: Buffer) {
    return this.one.run("fromNetdev", frame, { ifindex: interfaceIndex(near)! });
  }

  viaXdp(frame: Buffer) {
    return this.one.runXdp(frame, interfaceIndex(near)!);
  }

  /** The first packets, which tc judges; then a packet of either direction. */
  begin() {
    const opened = this.viaTc(this.packet({ tcpFlags: tcpFlag.syn }));
    const { sourcePort } = this.parse(opened.data);
    const answer = {
      source: this.ends.backend,
      destination: this.ends.node,
      sourcePort: 8080,
      destinationPort: sourcePort,
    };
    const there = this.packet({});
    const back = this.packet(answer);
    this.viaTc(this.packet({ ...answer, tcpFlags: tcpFlag.syn | tcpFlag.ack }));
    this.viaTc(there);
    return { there, back, answer };
  }
}

export const protocols = [
  ["TCP", { protocol: proto.tcp }],
  ["UDP", { protocol: proto.udp }],
] as const;
export const families = [4, 6] as const;
export const right = { ipChecksumIsRight: true, l4ChecksumIsRight: true };

/** All but the MAC addresses, which tc leaves to the neighbour's entry. */
export const behindMacs = (frame: Buffer): string => frame.subarray(12).toString("hex");
export const forwarded = (one: DatapathHarness): number =>
  one.metrics().reduce((sum, row) => sum + (row.file === "xdp.bpf.c" ? Number(row.packets) : 0), 0);

/** What a packet may change of connections, but for times. */
export const stateOf = (one: DatapathHarness) =>
  one.connections().map(({ direction, packets, bytes, rxFlagsSeen, txFlagsSeen, flags: bits, revNatId }) => {
    return { direction, packets, bytes, rxFlagsSeen, txFlagsSeen, bits, revNatId };
  });

export const LIFETIME_OFFSET = 32;
export const conntrackMaps = [
  "cilium_ct4_global",
  "cilium_ct_any4_global",
  "cilium_ct6_global",
  "cilium_ct_any6_global",
];

export function expire(one: DatapathHarness): void {
  for (const name of conntrackMaps) {
    for (const { key, value } of [...readEntries(one.get(name))]) {
      const old = Buffer.from(value);
      old.writeUInt32LE(0, LIFETIME_OFFSET);
      one.get(name).update(Buffer.from(key), old);
    }
  }
}

export const deviceMac = (name: string): string =>
  readFileSync(`/sys/class/net/${name}/address`, "utf8").trim().replaceAll(":", "");

export const withBytes = (frame: Buffer, edit: (copy: Buffer) => void): Buffer => {
  const copy = Buffer.from(frame);
  edit(copy);
  return copy;
};

import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { promisify } from "node:util";
import { interfaceIndex, interfaceMac } from "../kernel/net.js";
import { KernelError } from "../lib/errors.js";
import { type IpAddress, type IpFamily, IpPrefix } from "../lib/ip.js";
import { tunnelProtocols } from "../model/tunnel-protocol.js";
import { readNumberFile } from "./bpf-folder.js";
import type { Ownership } from "./ownership.js";

const run = promisify(execFile);

export const HOST_DEVICE = "cilium_host";
export const NET_DEVICE = "cilium_net";

export interface Devices {
  readonly hostIfindex: number;
  readonly netIfindex: number;
  readonly tunnelIfindex: number;
  /** 6 octets. */
  readonly hostMac: Buffer;
}

export interface DeviceOptions {
  /** One for each family that pods have. */
  readonly ciliumHostIps: readonly IpAddress[];
  /** MTU of the underlay; the routes to pods carry the lower one. */
  readonly mtu: number;
  readonly tunnelProtocol: keyof typeof tunnelProtocols;
  readonly tunnelPort: number;
}

/** UDP checksums would only repeat what the inner packet has; RFC 7348 wants zero, RFC 6935 allows it over IPv6. */
const NO_CHECKSUMS = "noudpcsum udp6zerocsumtx udp6zerocsumrx";

/**
 * The datapath's own devices: the veth pair `cilium_host`/`cilium_net`, through which the node's stack and pods meet,
 * and `cilium_vxlan` or `cilium_geneve`, whose tunnel key the programs set for each packet (collect metadata).
 * The other tunnel's device goes, where it is ours: two would take each other's packets for none.
 * @throws KernelError `foreign-device` when a device of such a name exists that we did not make, `no-ipv6`
 */
export async function ensureDevices(options: DeviceOptions, ownership: Ownership): Promise<Devices> {
  requireFamilies(options.ciliumHostIps);
  const hostExists = refuseForeign(HOST_DEVICE, ownership);
  const { device: tunnel } = tunnelProtocols[options.tunnelProtocol];
  const oldTunnelExists = refuseForeign(tunnel, ownership);
  const tunnelExists = oldTunnelExists && isUsable(await readTunnel(tunnel), options);
  const steps: string[] = [];
  if (oldTunnelExists && !tunnelExists) steps.push(`link delete ${tunnel}`);
  // The intention first: a crash before the index is known must not turn our device into a stranger's.
  if (!hostExists) ownership.record("device", HOST_DEVICE, 0);
  if (!tunnelExists) ownership.record("device", tunnel, 0);
  if (!hostExists) steps.push(`link add ${HOST_DEVICE} type veth peer name ${NET_DEVICE}`);
  if (!tunnelExists) steps.push(tunnelStep(tunnel, options));
  // Last: where the kernel has no such tunnel the old one goes on.
  const others = otherTunnels(tunnel, ownership);
  steps.push(...others.filter(isPresent).map((device) => `link delete ${device}`));
  if (steps.length > 0) await runIp(steps, options);
  for (const device of others) ownership.forget("device", device);
  const families = options.ciliumHostIps.map(({ family }) => family);
  for (const device of [HOST_DEVICE, NET_DEVICE, tunnel]) setDeviceSysctls(device, families);
  const settings = [
    ...[HOST_DEVICE, NET_DEVICE].map((device) => `link set ${device} mtu ${options.mtu} arp off up`),
    `link set ${tunnel} mtu ${options.mtu} up`,
    ...options.ciliumHostIps.map(hostAddressStep),
  ];
  await runIp(settings, options);
  recordDevice(HOST_DEVICE, ownership);
  recordDevice(tunnel, ownership);
  for (const { family } of options.ciliumHostIps) enableForwarding(family);
  return {
    hostIfindex: requireIndex(HOST_DEVICE),
    netIfindex: requireIndex(NET_DEVICE),
    tunnelIfindex: requireIndex(tunnel),
    hostMac: interfaceMac(HOST_DEVICE) ?? Buffer.alloc(6),
  };
}

function tunnelStep(device: string, { tunnelProtocol, tunnelPort }: DeviceOptions): string {
  const learning = tunnelProtocol === "vxlan" ? " nolearning" : "";
  return `link add ${device} type ${tunnelProtocol} external dstport ${tunnelPort}${learning} ${NO_CHECKSUMS}`;
}

/** Devices that an agent with another setting made; one that somebody else made stays. */
function otherTunnels(tunnel: string, ownership: Ownership): readonly string[] {
  return Object.values(tunnelProtocols)
    .map(({ device }) => device)
    .filter((device) => device !== tunnel)
    .filter((device) => {
      const recorded = ownership.objectId("device", device);
      const ifindex = interfaceIndex(device);
      return recorded !== undefined && (recorded === 0 || ifindex === undefined || recorded === ifindex);
    });
}

function isPresent(device: string): boolean {
  return interfaceIndex(device) !== undefined;
}

function requireFamilies(addresses: readonly IpAddress[]): void {
  if (existsSync("/proc/sys/net/ipv6") || addresses.every(({ family }) => family === 4)) return;
  throw new KernelError("no-ipv6", "pods are to have IPv6, which this kernel does not have", {
    nextSteps: ['set enable-ipv6: "false" in ConfigMap kube-system/cilium-config', "or boot without ipv6.disable=1"],
  });
}

/** An IPv6 address is nobody else's: asking for it would only keep it from being used. */
function hostAddressStep(address: IpAddress): string {
  return `address replace ${IpPrefix.host(address)} dev ${HOST_DEVICE}${address.family === 6 ? " nodad" : ""}`;
}

function enableForwarding(family: IpFamily): void {
  const file = family === 4 ? "/proc/sys/net/ipv4/ip_forward" : "/proc/sys/net/ipv6/conf/all/forwarding";
  if (readNumberFile(file) !== 1) writeFileSync(file, "1");
}

function setDeviceSysctls(device: string, families: readonly IpFamily[]): void {
  writeFileSync(`/proc/sys/net/ipv4/conf/${device}/rp_filter`, "0");
  writeFileSync(`/proc/sys/net/ipv4/conf/${device}/forwarding`, "1");
  // No link-local address, so no router solicitations and group reports that the programs would count as drops. Kernels
  // without IPv6 have no such file, and refuse iproute2's `addrgenmode`.
  const addressMode = `/proc/sys/net/ipv6/conf/${device}/addr_gen_mode`;
  if (existsSync(addressMode)) writeFileSync(addressMode, "1");
  // Many machines have IPv6 switched off for new devices.
  if (families.includes(6)) writeFileSync(`/proc/sys/net/ipv6/conf/${device}/disable_ipv6`, "0");
}

/** True when the device exists and is ours. */
function refuseForeign(name: string, ownership: Ownership): boolean {
  const ifindex = interfaceIndex(name);
  if (ifindex === undefined) return false;
  const recorded = ownership.objectId("device", name);
  // 0: an earlier start recorded its intention and died before it knew the index.
  if (recorded === ifindex || recorded === 0) return true;
  throw new KernelError("foreign-device", `a device ${name} exists that this installation did not make`, {
    hint: "It belongs to upstream Cilium or to another installation; nothing was changed.",
    nextSteps: [`look at it: ip -d link show ${name}`, `remove it if nobody uses it: ip link delete ${name}`],
    details: { device: name, ifindex },
  });
}

function recordDevice(name: string, ownership: Ownership): void {
  ownership.record("device", name, requireIndex(name));
}

function requireIndex(name: string): number {
  const ifindex = interfaceIndex(name);
  if (ifindex === undefined) throw new KernelError("device-missing", `the device ${name} vanished while it was set up`);
  return ifindex;
}

interface TunnelFacts {
  readonly port?: number;
  readonly udp_zero_csum6_rx?: boolean;
}

/**
 * The port of a tunnel device cannot be changed, and neither what it takes for a checksum: otherwise it is made anew. Devices of
 * agents that knew IPv4 alone stay where nodes still reach each other over that.
 */
function isUsable(tunnel: TunnelFacts, { tunnelPort, ciliumHostIps }: DeviceOptions): boolean {
  const isIpv6Alone = ciliumHostIps.every(({ family }) => family === 6);
  return tunnel.port === tunnelPort && (tunnel.udp_zero_csum6_rx === true || !isIpv6Alone);
}

async function readTunnel(device: string): Promise<TunnelFacts> {
  const { stdout } = await run("ip", ["-json", "-details", "link", "show", "dev", device]);
  const [link] = JSON.parse(stdout) as readonly { readonly linkinfo?: { readonly info_data?: TunnelFacts } }[];
  return link?.linkinfo?.info_data ?? {};
}

async function runIp(steps: readonly string[], { tunnelProtocol }: DeviceOptions): Promise<void> {
  const child = run("ip", ["-batch", "-"]);
  child.child.stdin?.end(`${steps.join("\n")}\n`);
  try {
    await child;
  } catch (cause) {
    const words = (cause as { readonly stderr?: string }).stderr?.trim() ?? String(cause);
    throw new KernelError("device-setup", `the devices of the datapath cannot be set up: ${words}`, {
      cause,
      hint: `This needs CAP_NET_ADMIN and the kernel's ${tunnelProtocol} and veth modules.`,
      nextSteps: tunnelProtocol === "geneve" ? ["a kernel without Geneve has VXLAN: set tunnel-protocol: vxlan"] : [],
      details: { steps },
    });
  }
}

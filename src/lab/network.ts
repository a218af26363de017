import { readdirSync } from "node:fs";
import { IpAddress, type IpFamily, IpPrefix } from "../lib/ip.js";
import { fabricNetns, NETNS_DIR, nodeNetns } from "./lab-name.js";
import { labToolPath } from "./lab-tool.js";
import { runChecked } from "./run-command.js";

/** Names under /run/netns, foreign ones included. */
export function listNetns(): readonly string[] {
  try {
    return readdirSync(NETNS_DIR);
  } catch {
    return []; // nobody made a network namespace on this machine yet
  }
}

/** Makes network namespaces, with `lo` up; those that exist stay as they are. */
export async function addNetns(names: readonly string[]): Promise<void> {
  if (names.length > 0) await runChecked(labToolPath, ["netns", "add", ...names]);
}

/** Removes network namespaces; absent ones are fine. Devices in them die with their last process. */
export async function removeNetns(names: readonly string[]): Promise<void> {
  if (names.length > 0) await runChecked(labToolPath, ["netns", "del", ...names]);
}

export interface FabricNode {
  readonly name: string;
  /** Position in the fabric's address range; the node's port on the bridge is called after it. */
  readonly index: number;
  /** One a family. */
  readonly internalIps: readonly string[];
}

export interface FabricOptions {
  readonly mtuBytes: number;
  /** Nodes run XDP programs on their devices, whose other ends must be ready for that. */
  readonly runXdp: boolean;
}

/** The addresses of the fabric: IPv4 as kind's Docker network has them, IPv6 after their pattern. */
export const FABRIC: Readonly<Record<IpFamily, { readonly prefix: IpPrefix; readonly gateway: IpAddress }>> = {
  4: { prefix: IpPrefix.parse("172.18.0.0/16"), gateway: IpAddress.parse("172.18.0.1") },
  6: { prefix: IpPrefix.parse("fd00:172:18::/64"), gateway: IpAddress.parse("fd00:172:18::1") },
};
/** The first address that a node gets, relative to the prefix. */
export const FIRST_NODE_OFFSET = 2;

function families(nodes: readonly FabricNode[]): readonly IpFamily[] {
  const all = nodes.flatMap(({ internalIps }) => internalIps.map((text) => IpAddress.parse(text).family));
  return [...new Set<IpFamily>(all)];
}

/** Nobody else has the address: asking for it would only keep it from being used at once. */
function addressStep(address: IpAddress, device: string): string {
  const noDetection = address.family === 6 ? " nodad" : "";
  return `addr replace ${address}/${FABRIC[address.family].prefix.length} dev ${device}${noDetection}`;
}

const BRIDGE = "br0";
const EVERYWHERE: Readonly<Record<IpFamily, string>> = { 4: "0.0.0.0/0", 6: "::/0" };

/** Which devices a namespace has. */
async function deviceNames(netns: string): Promise<ReadonlySet<string>> {
  const answer: unknown = JSON.parse((await runChecked("ip", ["-json", "-netns", netns, "link", "show"])) || "[]");
  const links = Array.isArray(answer) ? (answer as readonly { readonly ifname?: string }[]) : [];
  return new Set(links.map((link) => link.ifname ?? ""));
}

async function runIpBatch(netns: string, lines: readonly string[]): Promise<void> {
  if (lines.length > 0) await runChecked("ip", ["-netns", netns, "-batch", "-"], { input: `${lines.join("\n")}\n` });
}

/**
 * Connects nodes to the lab's bridge, which lives in a namespace of its own: the machine's own network is never touched.
 * What exists stays. The bridge's address is the outside world of the nodes.
 */
export async function connectNodes(lab: string, nodes: readonly FabricNode[], options: FabricOptions): Promise<void> {
  const { mtuBytes, runXdp } = options;
  const fabric = fabricNetns(lab);
  const present = await deviceNames(fabric);
  const lines: string[] = [];
  if (!present.has(BRIDGE)) lines.push(`link add name ${BRIDGE} mtu ${mtuBytes} type bridge`);
  lines.push(...families(nodes).map((family) => addressStep(FABRIC[family].gateway, BRIDGE)));
  lines.push(`link set dev ${BRIDGE} up`);
  for (const node of nodes) {
    const port = `n${node.index}`;
    if (!present.has(port)) {
      const peer = `peer name eth0 address ${macOf(node.index)} mtu ${mtuBytes} netns ${nodeNetns(lab, node.name)}`;
      lines.push(`link add name ${port} mtu ${mtuBytes} type veth ${peer}`);
    }
    lines.push(`link set dev ${port} master ${BRIDGE} up`);
  }
  await runIpBatch(fabric, lines);
  const ports = nodes.map(({ index }) => `n${index}`);
  if (runXdp && ports.length > 0) await runChecked("ip", ["netns", "exec", fabric, labToolPath, "xdp-peer", ...ports]);
  await Promise.all(nodes.map((node) => addressNode(lab, node)));
}

/** A node that comes back has its old MAC address: its neighbours' ARP entries stay true. */
function macOf(index: number): string {
  const octets = [...FABRIC[4].prefix.at(FIRST_NODE_OFFSET + index)!.bytes];
  return `02:00:${octets.map((octet) => octet.toString(16).padStart(2, "0")).join(":")}`;
}

async function addressNode(lab: string, node: FabricNode): Promise<void> {
  const addresses = node.internalIps.map((text) => IpAddress.parse(text));
  await runIpBatch(nodeNetns(lab, node.name), [
    ...addresses.map((address) => addressStep(address, "eth0")),
    "link set dev eth0 up",
    ...addresses.map(({ family }) => `route replace ${EVERYWHERE[family]} via ${FABRIC[family].gateway} dev eth0`),
  ]);
}

/** Takes ports of removed nodes off the bridge; the peer ends die with them. */
export async function disconnectNodes(lab: string, indexes: readonly number[]): Promise<void> {
  const fabric = fabricNetns(lab);
  const present = await deviceNames(fabric);
  const ports = indexes.map((index) => `n${index}`).filter((port) => present.has(port));
  await runIpBatch(
    fabric,
    ports.map((port) => `link del dev ${port}`),
  );
}

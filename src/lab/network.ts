import { readdirSync } from "node:fs";
import { IpAddress } from "../lib/ip.js";
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
  readonly internalIp: string;
}

/** The addresses of the fabric, as kind's Docker network has them. */
export const FABRIC_PREFIX_LENGTH = 16;
export const FABRIC_GATEWAY = "172.18.0.1";
/** The first address that a node gets, relative to 172.18.0.0. */
export const FIRST_NODE_OFFSET = 2;

export function nodeInternalIp(index: number): string {
  const offset = FIRST_NODE_OFFSET + index;
  return `172.18.${offset >> 8}.${offset & 255}`;
}

const BRIDGE = "br0";

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
export async function connectNodes(lab: string, nodes: readonly FabricNode[], mtuBytes: number): Promise<void> {
  const fabric = fabricNetns(lab);
  const present = await deviceNames(fabric);
  const lines: string[] = [];
  if (!present.has(BRIDGE)) lines.push(`link add name ${BRIDGE} mtu ${mtuBytes} type bridge`);
  lines.push(`addr replace ${FABRIC_GATEWAY}/${FABRIC_PREFIX_LENGTH} dev ${BRIDGE}`, `link set dev ${BRIDGE} up`);
  for (const node of nodes) {
    const port = `n${node.index}`;
    if (!present.has(port)) {
      const peer = `peer name eth0 address ${macOf(node.internalIp)} mtu ${mtuBytes} netns ${nodeNetns(lab, node.name)}`;
      lines.push(`link add name ${port} mtu ${mtuBytes} type veth ${peer}`);
    }
    lines.push(`link set dev ${port} master ${BRIDGE} up`);
  }
  await runIpBatch(fabric, lines);
  await Promise.all(nodes.map((node) => addressNode(lab, node)));
}

/** A node that comes back has its old MAC address: its neighbours' ARP entries stay true. */
function macOf(internalIp: string): string {
  const octets = [...IpAddress.parse(internalIp).bytes].map((octet) => octet.toString(16).padStart(2, "0"));
  return `02:00:${octets.join(":")}`;
}

async function addressNode(lab: string, node: FabricNode): Promise<void> {
  await runIpBatch(nodeNetns(lab, node.name), [
    `addr replace ${node.internalIp}/${FABRIC_PREFIX_LENGTH} dev eth0`,
    "link set dev eth0 up",
    `route replace default via ${FABRIC_GATEWAY} dev eth0`,
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

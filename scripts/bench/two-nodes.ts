import type { IpFamily } from "../../src/lib/ip.js";
import { Cleanup } from "./cleanup.js";
import { addPod, enableForwarding, ip, Namespaces, podMtu } from "./namespaces.js";
import { run } from "./shell.js";
import type { Topology } from "./topology.js";
import { drive, startServer, stopServer } from "./traffic.js";

/** How packets get from one node to the other: in the kernel's VXLAN device, or by routes alone. */
export type Between = "kernel VXLAN" | "routes";

export interface TwoNodes {
  readonly family: IpFamily;
  readonly between: Between;
}

interface PlainNode {
  readonly netns: string;
  readonly underlay: string;
  readonly overlay: string;
  readonly podCidr: string;
  readonly mac: string;
}

export type NodeIndex = 1 | 2;
/** Of the address of whoever is no node. */
const outsideIndex = 100;

/** The nodes' network is the same in both families but for addresses; a tunnel is over IPv4. */
const networks = {
  4: {
    underlay: (index: number) => `172.31.0.${index}`,
    underlayBits: 16,
    overlay: (index: NodeIndex) => `10.198.${index}.1`,
    podCidr: (index: NodeIndex) => `10.198.${index}.0/24`,
    pod: (index: NodeIndex) => `10.198.${index}.2`,
    hostBits: 32,
  },
  6: {
    underlay: (index: number) => `fd00:172:31::${index}`,
    underlayBits: 64,
    overlay: (index: NodeIndex) => `fd00:198:${index}::1`,
    podCidr: (index: NodeIndex) => `fd00:198:${index}::/64`,
    pod: (index: NodeIndex) => `fd00:198:${index}::2`,
    hostBits: 128,
  },
} as const satisfies Readonly<Record<IpFamily, unknown>>;

async function addAddress(netns: string, address: string, device: string): Promise<void> {
  const noDetection = address.includes(":") ? ["nodad"] : [];
  await ip("-n", netns, "addr", "add", address, "dev", device, ...noDetection);
}

async function addNode(
  namespaces: Namespaces,
  fabric: string,
  index: NodeIndex,
  { family, between }: TwoNodes,
): Promise<PlainNode> {
  const network = networks[family];
  const netns = await namespaces.add(`node${index}`);
  const [underlay, overlay] = [network.underlay(index), network.overlay(index)];
  const mac = `02:00:00:00:00:0${index}`;
  await enableForwarding(netns);
  await ip("-n", fabric, "link", "add", `node${index}`, "type", "veth", "peer", "name", "eth0", "netns", netns);
  await ip("-n", fabric, "link", "set", `node${index}`, "master", "br0", "up");
  await ip("-n", netns, "link", "set", "eth0", "up");
  await addAddress(netns, `${underlay}/${network.underlayBits}`, "eth0");
  if (between === "kernel VXLAN") {
    const local = networks[4].underlay(index);
    if (family !== 4) await addAddress(netns, `${local}/16`, "eth0");
    const vxlan = ["type", "vxlan", "id", "1", "local", local, "dev", "eth0", "dstport", "8472", "nolearning"];
    await ip("-n", netns, "link", "add", "vxlan0", "address", mac, "mtu", `${podMtu}`, ...vxlan);
    await addAddress(netns, `${overlay}/${network.hostBits}`, "vxlan0");
    await ip("-n", netns, "link", "set", "vxlan0", "up");
  }
  return { netns, underlay, overlay, podCidr: network.podCidr(index), mac };
}

/** The way to the other node's pods; over VXLAN with static forwarding: no learning, no ARP, as an overlay CNI programs it. */
async function connect(from: PlainNode, to: PlainNode, toIndex: NodeIndex, between: Between): Promise<void> {
  if (between === "routes") {
    await ip("-n", from.netns, "route", "add", to.podCidr, "via", to.underlay, "dev", "eth0");
    return;
  }
  const neighbour = ["lladdr", to.mac, "dev", "vxlan0", "nud", "permanent"];
  await ip("-n", from.netns, "route", "add", to.podCidr, "via", to.overlay, "dev", "vxlan0", "onlink");
  await ip("-n", from.netns, "neigh", "add", to.overlay, ...neighbour);
  const remote = networks[4].underlay(toIndex);
  await run("bridge", ["-n", from.netns, "fdb", "append", to.mac, "dev", "vxlan0", "dst", remote]);
}

/** Two nodes without a program of ours, and what stands on their network beside them. */
export class PlainNodes {
  readonly namespaces: Namespaces;
  /** Network namespaces of the nodes. */
  readonly nodes: readonly [string, string];
  readonly #fabric: string;
  readonly #family: IpFamily;

  private constructor(namespaces: Namespaces, fabric: string, nodes: readonly [string, string], family: IpFamily) {
    this.namespaces = namespaces;
    this.nodes = nodes;
    this.#fabric = fabric;
    this.#family = family;
  }

  static async open(cleanup: Cleanup, group: string, plan: TwoNodes): Promise<PlainNodes> {
    const namespaces = cleanup.use(new Namespaces(group));
    const fabric = await namespaces.add("fabric");
    await ip("-n", fabric, "link", "add", "br0", "type", "bridge");
    await ip("-n", fabric, "link", "set", "br0", "up");
    const first = await addNode(namespaces, fabric, 1, plan);
    const second = await addNode(namespaces, fabric, 2, plan);
    await connect(first, second, 2, plan.between);
    await connect(second, first, 1, plan.between);
    return new PlainNodes(namespaces, fabric, [first.netns, second.netns], plan.family);
  }

  /** The node's address on the network that all share. */
  nodeAddress(node: NodeIndex): string {
    return networks[this.#family].underlay(node);
  }

  /** Its pod's address, whichever pod that is. */
  podAddress(node: NodeIndex): string {
    return networks[this.#family].pod(node);
  }

  podCidr(node: NodeIndex): string {
    return networks[this.#family].podCidr(node);
  }

  async addPod(node: NodeIndex, role: string): Promise<string> {
    return addPod(this.namespaces, this.nodes[node - 1] as string, role, [this.podAddress(node)]);
  }

  /** A machine on the same network that is no node and knows no pod: the bridge itself. */
  async outside(): Promise<{ readonly netns: string; readonly address: string }> {
    const { underlay, underlayBits } = networks[this.#family];
    const address = underlay(outsideIndex);
    await addAddress(this.#fabric, `${address}/${underlayBits}`, "br0");
    return { netns: this.#fabric, address };
  }
}

/** Two pods on two nodes: what figures across nodes stand beside. */
export async function openTwoNodes(name: string, group: string, plan: TwoNodes): Promise<Topology> {
  return Cleanup.guard(async (cleanup) => {
    const plain = await PlainNodes.open(cleanup, group, plan);
    const client = await plain.addPod(1, "client");
    const address = plain.podAddress(2);
    const server = await startServer(await plain.addPod(2, "server"), address);
    cleanup.defer(() => stopServer(server));
    return {
      name,
      measure: (how) => drive(["ip", "netns", "exec", client], address, how),
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  });
}

import { Cleanup } from "./cleanup.js";
import { addPod, enableForwarding, ip, Namespaces, podMtu } from "./namespaces.js";
import { run } from "./shell.js";
import type { Topology } from "./topology.js";
import { drive, startServer, stopServer } from "./traffic.js";

interface VxlanNode {
  readonly netns: string;
  readonly underlay: string;
  readonly overlay: string;
  readonly podCidr: string;
  readonly mac: string;
}

const clientAddress = "10.198.1.2";
const serverAddress = "10.198.2.2";

async function addNode(namespaces: Namespaces, fabric: string, index: 1 | 2): Promise<VxlanNode> {
  const netns = await namespaces.add(`node${index}`);
  const underlay = `172.31.0.${index}`;
  const overlay = `10.198.${index}.1`;
  const mac = `02:00:00:00:00:0${index}`;
  await enableForwarding(netns);
  await ip("-n", fabric, "link", "add", `node${index}`, "type", "veth", "peer", "name", "eth0", "netns", netns);
  await ip("-n", fabric, "link", "set", `node${index}`, "master", "br0", "up");
  await ip("-n", netns, "addr", "add", `${underlay}/16`, "dev", "eth0");
  await ip("-n", netns, "link", "set", "eth0", "up");
  const vxlan = ["type", "vxlan", "id", "1", "local", underlay, "dev", "eth0", "dstport", "8472", "nolearning"];
  await ip("-n", netns, "link", "add", "vxlan0", "address", mac, "mtu", `${podMtu}`, ...vxlan);
  await ip("-n", netns, "addr", "add", `${overlay}/32`, "dev", "vxlan0");
  await ip("-n", netns, "link", "set", "vxlan0", "up");
  return { netns, underlay, overlay, podCidr: `10.198.${index}.0/24`, mac };
}

/** Static forwarding to the other node: no learning, no ARP, as an overlay CNI programs it. */
async function connect(from: VxlanNode, to: VxlanNode): Promise<void> {
  const neighbour = ["lladdr", to.mac, "dev", "vxlan0", "nud", "permanent"];
  await ip("-n", from.netns, "route", "add", to.podCidr, "via", to.overlay, "dev", "vxlan0", "onlink");
  await ip("-n", from.netns, "neigh", "add", to.overlay, ...neighbour);
  const bridge = ["-n", from.netns, "fdb", "append", to.mac, "dev", "vxlan0", "dst", to.underlay];

  await run("bridge", bridge);
}

/** Two pods on two nodes over the kernel's own VXLAN device with routes: what figures across nodes stand beside. */
export async function openKernelVxlan(name: string, group: string): Promise<Topology> {
  return Cleanup.guard(async (cleanup) => {
    const namespaces = cleanup.use(new Namespaces(group));
    const fabric = await namespaces.add("fabric");
    await ip("-n", fabric, "link", "add", "br0", "type", "bridge");
    await ip("-n", fabric, "link", "set", "br0", "up");
    const [first, second] = [await addNode(namespaces, fabric, 1), await addNode(namespaces, fabric, 2)];
    await connect(first, second);
    await connect(second, first);
    const client = await addPod(namespaces, first.netns, "client", [clientAddress]);
    const server = await startServer(await addPod(namespaces, second.netns, "server", [serverAddress]), serverAddress);
    cleanup.defer(() => stopServer(server));
    return {
      name,
      measure: (how) => drive(["ip", "netns", "exec", client], serverAddress, how),
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  });
}

import { run } from "./shell.js";

/** Everything the baselines make carries this, so that a sweep finds what a killed run left. */
const prefix = "cts-b-";

/** Pods get what our datapath gives them: 1500 of the underlay without the 50 bytes of VXLAN over IPv4. */
export const podMtu = 1450;

export async function ip(...args: readonly string[]): Promise<string> {
  return (await run("ip", args)).stdout;
}

/** Removes the namespaces of a killed run; their links go with them. */
export async function sweepNamespaces(): Promise<void> {
  const listed = (await ip("netns", "list")).split("\n").map((line) => line.split(" ")[0] ?? "");
  for (const name of listed.filter((candidate) => candidate.startsWith(prefix))) await ip("netns", "delete", name);
}

export function namespaceName(group: string, role: string): string {
  return `${prefix}${group}-${role}`;
}

/** Namespaces of one topology. */
export class Namespaces implements AsyncDisposable {
  readonly #names: string[] = [];
  readonly #group: string;

  constructor(group: string) {
    this.#group = group;
  }

  async add(role: string): Promise<string> {
    const name = namespaceName(this.#group, role);
    await ip("netns", "add", name);
    this.#names.push(name);
    await ip("-n", name, "link", "set", "lo", "up");
    return name;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#names.splice(0)) await ip("netns", "delete", name);
  }
}

/** Lets a namespace forward packets, by routes only. */
export async function enableForwarding(netns: string): Promise<void> {
  const switches = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.disable_ipv6=0", "net.ipv6.conf.all.forwarding=1"];
  await run("ip", ["netns", "exec", netns, "sysctl", "-qw", ...switches]);
}

/** What a pod of each family says "via", an address of the node that is on each host-side veth. */
const gateways = { 4: { address: "169.254.1.1", bits: 32 }, 6: { address: "fd00:169:254::1", bits: 128 } } as const;

/** A pod: a namespace with addresses of one family on `eth0`, whose other end is in the node and has a route to each address. */
export async function addPod(
  namespaces: Namespaces,
  node: string,
  role: string,
  addresses: readonly string[],
): Promise<string> {
  const pod = await namespaces.add(role);
  await run("ip", ["netns", "exec", pod, "sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=0"]);
  const host = `lxc-${role}`;
  const isIpv6 = addresses.some((address) => address.includes(":"));
  const { address: gateway, bits } = gateways[isIpv6 ? 6 : 4];
  const noDetection = isIpv6 ? ["nodad"] : [];
  const mtu = ["mtu", `${podMtu}`];
  await ip("-n", node, "link", "add", host, ...mtu, "type", "veth", "peer", "name", "eth0", ...mtu, "netns", pod);
  await ip("-n", node, "link", "set", host, "up");
  await ip("-n", pod, "link", "set", "eth0", "up");
  await ip("-n", node, "addr", "add", `${gateway}/${bits}`, "dev", host, ...noDetection);
  for (const address of addresses)
    await ip("-n", pod, "addr", "add", `${address}/${bits}`, "dev", "eth0", ...noDetection);
  await ip("-n", pod, "route", "add", gateway, "dev", "eth0");
  await ip("-n", pod, "route", "add", "default", "via", gateway, "dev", "eth0");
  for (const address of addresses) await ip("-n", node, "route", "add", address, "dev", host);
  return pod;
}

import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { AgentError, SystemError } from "../../lib/errors.js";
import { type IpAddress, IpPrefix } from "../../lib/ip.js";
import { type LinkFacts, listLinks, runIpBatch } from "../system/ip-batch.js";
import { runCommand } from "../system/run-command.js";

/** An address of a pod, and what it sends to whatever lies outside. */
export interface LinkAddress {
  readonly address: IpAddress;
  readonly gateway: IpAddress;
}

export interface EndpointLink {
  readonly netns: string;
  readonly ifName: string;
  readonly mac: string;
  readonly hostIfname: string;
  readonly hostMac: string;
  /** One for each family, IPv4 first. */
  readonly addresses: readonly LinkAddress[];
  /** Of the device; the same on both sides. */
  readonly mtu: number;
  /** Of the pod's routes: lower by what the overlay adds, so that TCP's segments fit without fragments. */
  readonly routeMtu: number;
}

/** Makes, checks and removes the veth of a pod. Behind an interface because tests of the order of things need no kernel. */
export interface LinkPort {
  /** Both ends and the host's side. Returns the index of the host side. What it made before it failed is gone. */
  create(link: EndpointLink): Promise<number>;
  /** The pod's side of what `create` made: addresses and routes. A failure leaves the link to its caller. */
  configure(link: EndpointLink): Promise<void>;
  /** Absence is not an error. */
  remove(hostIfname: string): Promise<void>;
  /** Words for everything that is not as `create` left it. */
  check(link: EndpointLink & { readonly ifindex: number }): Promise<readonly string[]>;
  /** Host sides that exist: name → index. */
  list(): Promise<ReadonlyMap<string, number>>;
}

/** {@link LinkPort} over iproute2: two processes an attachment. */
export function createLinkPort(): LinkPort {
  return { create: createLink, configure: configureLink, remove: removeLink, check: checkLink, list: listHostLinks };
}

async function createLink(link: EndpointLink): Promise<number> {
  const ifindex = await createPair(link);
  try {
    await relaxHostSide(link);
  } catch (error) {
    await removeLink(link.hostIfname);
    throw error;
  }
  return ifindex;
}

async function configureLink(link: EndpointLink): Promise<void> {
  const configure = (): Promise<string> => runIpBatch(podSideSteps(link), { netnsPath: link.netns });
  try {
    await configure();
  } catch (error) {
    if (!hasIpv6(link)) throw error;
    await enableIpv6(link.netns);
    await configure();
  }
}

function hasIpv6({ addresses }: EndpointLink): boolean {
  return addresses.some(({ address }) => address.family === 6);
}

/** Container runtimes make network namespaces with IPv6 switched off; upstream's CNI plugin switches it on, too. */
async function enableIpv6(netns: string): Promise<void> {
  const script = "for name in all default; do echo 0 > /proc/sys/net/ipv6/conf/$name/disable_ipv6; done";
  await runCommand(["nsenter", `--net=${netns}`, "--", "sh", "-c", script]);
}

async function createPair(link: EndpointLink): Promise<number> {
  const steps = [
    `link add ${link.hostIfname} address ${link.hostMac} mtu ${link.mtu} type veth ` +
      `peer name ${link.ifName} address ${link.mac} mtu ${link.mtu} netns ${link.netns}`,
    `link set ${link.hostIfname} ${noIpv6Addresses()} up`,
    `link show dev ${link.hostIfname}`,
  ];
  let stdout: string;
  try {
    stdout = await runIpBatch(steps);
  } catch (cause) {
    const words = cause instanceof Error ? cause.message : String(cause);
    throw new AgentError("link-create", `the veth ${link.hostIfname} into ${link.netns} cannot be made: ${words}`, {
      cause,
      hint: "The network namespace may be gone, or the interface name taken inside it.",
    });
  }
  const [facts] = JSON.parse(stdout) as LinkFacts[];
  return facts!.ifindex;
}

/**
 * Without an address generator no link-local IPv6 address appears, from which the pod would solicit routers and report
 * groups, all of which the programs would drop and count. A kernel without IPv6 refuses the word.
 */
function noIpv6Addresses(): string {
  return existsSync("/proc/sys/net/ipv6") ? "addrgenmode none" : "";
}

/** Packets reach the stack here with pod addresses whose route points elsewhere: reverse path filtering would eat them. */
async function relaxHostSide(link: EndpointLink): Promise<void> {
  const folder = `/proc/sys/net/ipv4/conf/${link.hostIfname}`;
  await Promise.all([
    writeFile(`${folder}/rp_filter`, "0"),
    writeFile(`${folder}/forwarding`, "1"),
    ...(hasIpv6(link) ? [writeFile(`/proc/sys/net/ipv6/conf/${link.hostIfname}/disable_ipv6`, "0")] : []),
  ]);
}

function podSideSteps(link: EndpointLink): readonly string[] {
  const { ifName } = link;
  return [
    "link set lo up",
    `link set ${ifName} ${noIpv6Addresses()} up`,
    ...link.addresses.flatMap((address) => addressSteps(link, address)),
  ];
}

function addressSteps(
  { ifName, hostMac, routeMtu }: EndpointLink,
  { address, gateway }: LinkAddress,
): readonly string[] {
  // The agent hands each address out once: asking whether somebody has it would only delay the pod's first packet.
  const [everywhere, noDetection] = address.family === 4 ? ["0.0.0.0/0", ""] : ["::/0", " nodad"];
  return [
    `address replace ${IpPrefix.host(address)} dev ${ifName}${noDetection}`,
    `route replace ${IpPrefix.host(gateway)} dev ${ifName} scope link`,
    `route replace ${everywhere} via ${gateway} dev ${ifName} mtu ${routeMtu}`,
    // The gateway's address lies on cilium_host, which neither ARP nor neighbour discovery reaches from here.
    `neighbour replace ${gateway} lladdr ${hostMac} dev ${ifName} nud permanent`,
  ];
}

async function removeLink(hostIfname: string): Promise<void> {
  try {
    await runIpBatch([`link delete ${hostIfname}`]);
  } catch (error) {
    if (!(error instanceof SystemError)) throw error;
    const links = await listHostLinks();
    if (links.has(hostIfname)) throw error;
  }
}

async function listHostLinks(): Promise<ReadonlyMap<string, number>> {
  const links = await listLinks();
  return new Map(links.map((link) => [link.ifname, link.ifindex]));
}

async function checkLink(link: EndpointLink & { readonly ifindex: number }): Promise<readonly string[]> {
  const host = (await listLinks()).find((facts) => facts.ifname === link.hostIfname);
  if (host === undefined) return [`interface ${link.hostIfname} does not exist`];
  const problems =
    host.ifindex === link.ifindex ? [] : [`interface ${link.hostIfname} was made anew (index ${host.ifindex})`];
  let inside: readonly LinkFacts[];
  try {
    inside = await listLinks({ netnsPath: link.netns });
  } catch {
    return [...problems, `network namespace ${link.netns} cannot be entered`];
  }
  const pod = inside.find((facts) => facts.ifname === link.ifName);
  if (pod === undefined) return [...problems, `interface ${link.ifName} does not exist in ${link.netns}`];
  if (pod.address !== link.mac) problems.push(`interface ${link.ifName} has MAC ${pod.address}, not ${link.mac}`);
  const present = new Set(pod.addr_info?.map((info) => info.local));
  const missing = link.addresses.filter(({ address }) => !present.has(address.text));
  return [...problems, ...missing.map(({ address }) => `address ${address} is missing on ${link.ifName}`)];
}

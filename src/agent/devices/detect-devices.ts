import { IpAddress } from "../../lib/ip.js";
import type { NodeDevice } from "../../model/datapath-port.js";
import type { LinkFacts, RouteFacts } from "../system/ip-batch.js";

export interface DetectionInput {
  readonly links: readonly LinkFacts[];
  /** Of the main tables of both families. */
  readonly routes: readonly Pick<RouteFacts, "dst" | "dev">[];
  /** Addresses of the Node object: whatever holds one is a device of the node. */
  readonly nodeAddresses: readonly IpAddress[];
  /** The setting `devices`; empty = detected. */
  readonly patterns: string;
}

/** Devices of ours, of other CNIs and of container engines (upstream pkg/datapath/linux/devices_controller.go). */
const NEVER = /^(lo$|cilium_|lxc|cni|docker)/;

/**
 * The node's own devices, as upstream finds them: those named by the setting, else those that hold an address of the node
 * or are routed over; no loopback, no bridge or port of one, and a veth only as the node's uplink (a lab's nodes have such).
 */
export function detectDevices(input: DetectionInput): readonly NodeDevice[] {
  const patterns = input.patterns.split(/[\s,]+/).filter((pattern) => pattern !== "");
  const isChosen =
    patterns.length > 0
      ? (link: LinkFacts) => matchesPatterns(link.ifname, patterns)
      : (link: LinkFacts) => isDetected(link, input);
  return input.links
    .filter((link) => !NEVER.test(link.ifname) && !hasFlag(link, "LOOPBACK") && isChosen(link))
    .map((link) => toDevice(link, input.nodeAddresses))
    .sort((a, b) => a.ifindex - b.ifindex);
}

/** `eth+` takes eth0 and eth1; `!eth1` takes it out again, wherever it stands. */
function matchesPatterns(name: string, patterns: readonly string[]): boolean {
  const fits = (pattern: string): boolean =>
    pattern.endsWith("+") ? name.startsWith(pattern.slice(0, -1)) : name === pattern;
  const [excluding, including] = [
    patterns.filter((pattern) => pattern.startsWith("!")).map((pattern) => pattern.slice(1)),
    patterns.filter((pattern) => !pattern.startsWith("!")),
  ];
  return !excluding.some(fits) && (including.length === 0 || including.some(fits));
}

function isDetected(link: LinkFacts, { routes, nodeAddresses }: DetectionInput): boolean {
  if (addressesOf(link).some((address) => nodeAddresses.some((own) => own.equals(address)))) return true;
  if (link.master !== undefined || hasFlag(link, "SLAVE")) return false;
  const kind = link.linkinfo?.info_kind;
  if (kind === "bridge" || kind === "openvswitch") return false;
  const own = routes.filter((route) => route.dev === link.ifname);
  if (kind === "veth") return own.some((route) => route.dst === "default");
  return own.some((route) => isGlobal(route.dst));
}

/** Routes of link-local and multicast prefixes are on every device. */
function isGlobal(destination: string): boolean {
  return !/^(fe80|ff|169\.254\.|224\.|127\.)/i.test(destination);
}

function toDevice(link: LinkFacts, nodeAddresses: readonly IpAddress[]): NodeDevice {
  const addresses = addressesOf(link);
  const sourceOf = (family: 4 | 6): IpAddress | undefined => {
    const ofFamily = addresses.filter((address) => address.family === family);
    return ofFamily.find((address) => nodeAddresses.some((own) => own.equals(address))) ?? ofFamily[0];
  };
  const ipv4 = sourceOf(4);
  const ipv6 = sourceOf(6);
  return {
    name: link.ifname,
    ifindex: link.ifindex,
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
  };
}

function addressesOf(link: LinkFacts): readonly IpAddress[] {
  return (link.addr_info ?? [])
    .filter((info) => info.scope === undefined || info.scope === "global")
    .flatMap((info) => IpAddress.tryParse(info.local) ?? []);
}

function hasFlag(link: LinkFacts, flag: string): boolean {
  return link.flags?.includes(flag) ?? false;
}

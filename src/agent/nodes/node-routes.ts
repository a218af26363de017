import { type IpAddress, IpPrefix } from "../../lib/ip.js";
import { waitForAll } from "../../lib/wait-for-all.js";
import type { AgentConfig } from "../../model/agent-config.js";
import { listRoutes, type RouteFacts, runIpBatch } from "../system/ip-batch.js";
import type { LocalNode, PodRange } from "./local-node.js";

/** Marks the routes that are ours (`ip route … proto 197`): no other number of `/etc/iproute2/rt_protos`. */
export const ROUTE_PROTOCOL = 197;

/** The host's way to pods: the programs on this device do the rest. */
const HOST_DEVICE = "cilium_host";

/** A podCIDR and, for another node's, the addresses under which the nodes' network knows that node. */
export interface RoutedRange {
  readonly prefix: IpPrefix;
  readonly nodeIps: readonly IpAddress[];
}

/**
 * Makes the host's routes to pods what they should be: one a podCIDR, through `cilium_host` or, in native routing, through
 * the other node. Touches only routes of our own protocol number; a foreign route to the same destination stays and is
 * reported.
 * @returns problems in words
 */
export async function syncRoutes(
  node: LocalNode,
  config: RoutingSettings,
  ranges: readonly RoutedRange[],
): Promise<readonly string[]> {
  const tables = await waitForAll(node.podRanges.map(({ podCidr }) => listRoutes(podCidr.address.family)));
  const facts = tables.flat();
  const own = node.podRanges.map(({ podCidr }) => podCidr);
  const isNative = config.routingMode === "native";
  const others = ranges.map(({ prefix }) => prefix);
  const direct = isNative ? planDirectRoutes(node, config, ranges, facts) : { wanted: [], problems: [] };
  const { steps, problems } = planRoutes(node, isNative ? own : [...own, ...others], facts, direct.wanted);
  if (steps.length > 0) await runIpBatch(steps);
  return [...problems, ...direct.problems];
}

export type RoutingSettings = Pick<
  AgentConfig,
  "routingMode" | "autoDirectNodeRoutes" | "directRoutingSkipUnreachable"
>;

/** Native routing: through the other nodes on our segment. Without the setting somebody else's routes lead there. */
export function planDirectRoutes(
  node: LocalNode,
  config: Pick<RoutingSettings, "autoDirectNodeRoutes" | "directRoutingSkipUnreachable">,
  ranges: readonly RoutedRange[],
  facts: readonly RouteFacts[],
): { readonly wanted: readonly WantedRoute[]; readonly problems: readonly string[] } {
  if (!config.autoDirectNodeRoutes) return { wanted: [], problems: [] };
  const segments = facts.filter((route) => route.dev === node.underlayDevice && route.gateway === undefined);
  const isNear = (address: IpAddress): boolean =>
    segments.some((route) => IpPrefix.tryParse(route.dst)?.contains(address) === true);
  const problems: string[] = [];
  const wanted = ranges.flatMap(({ prefix, nodeIps }): readonly WantedRoute[] => {
    const { family } = prefix.address;
    const via = nodeIps.find((address) => address.family === family && isNear(address));
    const source = node.internalIps.find((address) => address.family === family);
    if (via !== undefined && source !== undefined)
      return [[routeKey(prefix.text), `${prefix} via ${via} dev ${node.underlayDevice} src ${source}`]];
    if (!config.directRoutingSkipUnreachable)
      problems.push(
        `no direct route to ${prefix}: its node ${nodeIps.join(", ") || "without address"} is on another segment`,
      );
    return [];
  });
  return { wanted, problems };
}

/** Destination → route, in the words of iproute2. */
type WantedRoute = readonly [destination: string, words: string];

/** Exported for its test: the steps that turn the routes found into those wanted. */
export function planRoutes(
  node: LocalNode,
  podCidrs: readonly IpPrefix[],
  facts: readonly RouteFacts[],
  direct: readonly WantedRoute[] = [],
): { readonly steps: readonly string[]; readonly problems: readonly string[] } {
  const wanted = new Map([
    ...node.podRanges.flatMap((range) => {
      const { family } = range.podCidr.address;
      return wantedRoutes(
        node,
        range,
        podCidrs.filter((prefix) => prefix.address.family === family),
      );
    }),
    ...direct,
  ]);
  const steps: string[] = [];
  const problems: string[] = [];
  for (const [destination, words] of wanted) {
    const foreign = facts.find((route) => routeKey(route.dst) === destination && !isOurs(route));
    if (foreign !== undefined) {
      problems.push(
        `a foreign route to ${destination} (dev ${foreign.dev}, proto ${foreign.protocol}) stands in the way`,
      );
    } else if (!facts.some((route) => isSame(route, words)))
      steps.push(`route replace ${words} proto ${ROUTE_PROTOCOL}`);
  }
  for (const route of facts) {
    if (isOurs(route) && !wanted.has(routeKey(route.dst)))
      steps.push(`route delete ${route.dst} proto ${ROUTE_PROTOCOL}`);
  }
  return { steps, problems };
}

/** Through `cilium_host`. */
function wantedRoutes(
  { routeMtu }: LocalNode,
  { podCidr, ciliumHostIp: gateway }: PodRange,
  podCidrs: readonly IpPrefix[],
): readonly WantedRoute[] {
  const mtuTo = (prefix: IpPrefix): string => (prefix.text === podCidr.text ? "" : ` mtu ${routeMtu}`);
  const to = (prefix: IpPrefix, via: string): WantedRoute => [
    routeKey(prefix.text),
    `${prefix} ${via}dev ${HOST_DEVICE} src ${gateway}${mtuTo(prefix)}`,
  ];
  // The kernel takes no address of its own as an IPv6 gateway; the device asks for no neighbour anyway (it has no ARP).
  if (gateway.family === 6) return podCidrs.map((prefix) => to(prefix, ""));
  const onLink = [gateway.text, `${gateway}/32 dev ${HOST_DEVICE} scope link`] as const;
  return [onLink, ...podCidrs.map((prefix) => to(prefix, `via ${gateway} `))];
}

function isOurs(route: RouteFacts): boolean {
  return route.protocol === String(ROUTE_PROTOCOL);
}

/** iproute2 prints a host route without its length. */
function routeKey(destination: string): string {
  return destination.replace(destination.includes(":") ? /\/128$/ : /\/32$/, "");
}

function isSame(route: RouteFacts, words: string): boolean {
  if (!isOurs(route)) return false;
  const mtu = route.metrics?.find((metric) => metric.mtu !== undefined)?.mtu;
  const prefix = IpPrefix.parse(route.dst).text;
  const via = route.gateway === undefined ? "" : `via ${route.gateway} `;
  const source = route.prefsrc === undefined ? "scope link" : `src ${route.prefsrc}`;
  return `${prefix} ${via}dev ${route.dev} ${source}${mtu === undefined ? "" : ` mtu ${mtu}`}` === words;
}

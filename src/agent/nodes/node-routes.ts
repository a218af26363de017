import type { IpPrefix } from "../../lib/ip.js";
import { listRoutes, type RouteFacts, runIpBatch } from "../system/ip-batch.js";
import type { LocalNode } from "./local-node.js";

/** Marks the routes that are ours (`ip route … proto 197`): no other number of `/etc/iproute2/rt_protos`. */
export const ROUTE_PROTOCOL = 197;

/** The host's way to pods: the programs on this device do the rest. */
const HOST_DEVICE = "cilium_host";

/**
 * Makes the host's routes to pods what they should be: one a podCIDR, through `cilium_host`. Touches only routes of our
 * own protocol number; a foreign route to the same destination stays and is reported.
 * @returns problems in words
 */
export async function syncRoutes(node: LocalNode, podCidrs: readonly IpPrefix[]): Promise<readonly string[]> {
  const { steps, problems } = planRoutes(node, podCidrs, await listRoutes(4));
  if (steps.length > 0) await runIpBatch(steps);
  return problems;
}

/** Exported for its test: the steps that turn the routes found into those wanted. */
export function planRoutes(
  node: LocalNode,
  podCidrs: readonly IpPrefix[],
  facts: readonly RouteFacts[],
): { readonly steps: readonly string[]; readonly problems: readonly string[] } {
  const gateway = node.ciliumHostIp.text;
  const wanted = new Map<string, string>([[gateway, `${gateway}/32 dev ${HOST_DEVICE} scope link`]]);
  for (const prefix of podCidrs) {
    const mtu = prefix.text === node.podCidr.text ? "" : ` mtu ${node.routeMtu}`;
    wanted.set(routeKey(prefix.text), `${prefix} via ${gateway} dev ${HOST_DEVICE} src ${gateway}${mtu}`);
  }
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

function isOurs(route: RouteFacts): boolean {
  return route.protocol === String(ROUTE_PROTOCOL);
}

/** iproute2 prints a host route without its length. */
function routeKey(destination: string): string {
  return destination.replace(/\/32$/, "");
}

function isSame(route: RouteFacts, words: string): boolean {
  if (!isOurs(route)) return false;
  const mtu = route.metrics?.find((metric) => metric.mtu !== undefined)?.mtu;
  const prefix = route.dst.includes("/") ? route.dst : `${route.dst}/32`;
  const found =
    route.gateway === undefined
      ? `${prefix} dev ${route.dev} scope link`
      : `${prefix} via ${route.gateway} dev ${route.dev} src ${route.prefsrc}${mtu === undefined ? "" : ` mtu ${mtu}`}`;
  return found === words;
}

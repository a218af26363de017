import type { IpFamily } from "../../lib/ip.js";
import type { AgentConfig } from "../../model/agent-config.js";

/**
 * What the overlay puts around a packet: outer Ethernet, UDP and VXLAN (RFC 7348) or Geneve (RFC 8926) headers, and the outer
 * header of the underlay's family. Upstream subtracts the same.
 */
export const tunnelOverheadBytes: Readonly<Record<IpFamily, number>> = { 4: 50, 6: 70 };

/** The largest packet that crosses the underlay whole on its way to another node's pod. */
export function pathMtu(
  underlayMtu: number,
  routingMode: AgentConfig["routingMode"],
  underlayFamily: IpFamily,
): number {
  return routingMode === "tunnel" ? underlayMtu - tunnelOverheadBytes[underlayFamily] : underlayMtu;
}

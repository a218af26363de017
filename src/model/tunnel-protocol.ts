import type { AgentConfig } from "./agent-config.js";

/** Encapsulations of the overlay: upstream's names of their devices, and their UDP ports where no setting says another. */
export const tunnelProtocols = {
  vxlan: { device: "cilium_vxlan", port: 8472 },
  geneve: { device: "cilium_geneve", port: 6081 },
} as const;

/** The UDP port of the overlay. */
export function tunnelPortOf({
  tunnelPort,
  tunnelProtocol,
}: Pick<AgentConfig, "tunnelPort" | "tunnelProtocol">): number {
  return tunnelPort === 0 ? tunnelProtocols[tunnelProtocol].port : tunnelPort;
}

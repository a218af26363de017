import { IpAddress } from "../../src/lib/ip.js";
import { defaultAgentConfig } from "../../src/model/agent-config.js";
import type { ServiceNode, ServiceSettings } from "../../src/model/service-frontend.js";

/** A node of IPv4 that Services are translated for. */
export function testServiceNode(
  overrides: Partial<Omit<ServiceNode, "config">> & { readonly config?: Partial<ServiceSettings> } = {},
): ServiceNode {
  const addresses = [IpAddress.parse("172.18.0.2")];
  const config = { ...defaultAgentConfig(), ...overrides.config };
  return { name: "node-1", families: [4], nodePortAddresses: addresses, addresses, ...overrides, config };
}

import type { IpFamily } from "../lib/ip.js";
import type { AgentConfig } from "./agent-config.js";
import { agentSettings } from "./agent-settings.js";

/** The families that the settings give to pods, IPv4 first. */
export function podFamilies(config: Pick<AgentConfig, "enableIpv4" | "enableIpv6">): readonly IpFamily[] {
  return [...(config.enableIpv4 ? [4 as const] : []), ...(config.enableIpv6 ? [6 as const] : [])];
}

/** The same of a ConfigMap's data, whatever else is wrong with it; IPv4 where it leaves pods no family at all. */
export function configuredFamilies(data: Readonly<Record<string, string>> = {}): readonly IpFamily[] {
  const { enableIpv4, enableIpv6 } = agentSettings;
  const read = (setting: typeof enableIpv4): boolean => {
    const parsed = setting.parse((data[setting.key] ?? "").trim());
    return "value" in parsed ? parsed.value : setting.defaultValue;
  };
  const families = podFamilies({ enableIpv4: read(enableIpv4), enableIpv6: read(enableIpv6) });
  return families.length > 0 ? families : [4];
}

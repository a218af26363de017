import { totalmem } from "node:os";
import type { Logger } from "../lib/log.js";
import { AGENT_CONFIG_MAP, type AgentConfig, parseAgentConfig } from "../model/agent-config.js";
import { resourceTypes } from "../model/kubernetes.js";
import type { StateSource } from "../state/state-source.js";

/**
 * The settings of ConfigMap kube-system/cilium-config; without it every setting has its default. Map sizes that it
 * does not set follow this machine's memory. Read once: a changed setting needs a new start, as upstream.
 * @throws UsageError `agent-config` that lists every wrong key
 */
export async function readAgentConfig(state: StateSource, log: Logger): Promise<AgentConfig> {
  const configMap = await state.get(resourceTypes.configMaps, AGENT_CONFIG_MAP);
  const { config, notes } = parseAgentConfig(configMap?.data ?? {}, { memoryBytes: totalmem() });
  if (notes.length > 0) log.info({ notes }, "settings that change nothing here");
  return config;
}

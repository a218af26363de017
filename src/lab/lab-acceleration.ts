import { type Acceleration, AGENT_CONFIG_MAP } from "../model/agent-config.js";
import { agentSettings } from "../model/agent-settings.js";
import { objectKey } from "../model/kube-object.js";
import type { LabCaches } from "./supervisor-context.js";

/** What the lab's agents are told of XDP; whatever is wrong with it is theirs to say. */
export function labAcceleration({ configMaps }: Pick<LabCaches, "configMaps">): Acceleration {
  const setting = agentSettings.lbAcceleration;
  const text = configMaps.get(objectKey(AGENT_CONFIG_MAP))?.data?.[setting.key];
  const parsed = text === undefined ? undefined : setting.parse(text.trim());
  return parsed !== undefined && "value" in parsed ? parsed.value : setting.defaultValue;
}

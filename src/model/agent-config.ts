import { UsageError } from "../lib/errors.js";
import { nearestName } from "../lib/nearest-name.js";
import { agentSettings } from "./agent-settings.js";
import { sizeMaps } from "./map-sizes.js";
import type { Setting } from "./setting.js";
import { laterSettings, otherUpstreamKeys } from "./upstream-config-keys.js";

type Settings = typeof agentSettings;

/** The agent's settings, every one present. Fields, keys, defaults and bounds: {@link agentSettings}. */
export type AgentConfig = {
  readonly [Field in keyof Settings]: Settings[Field] extends Setting<infer T> ? T : never;
};

export interface ParsedAgentConfig {
  readonly config: AgentConfig;
  /** Keys of upstream that this version knows and does not use, one sentence each. */
  readonly notes: readonly string[];
}

/** Upstream's name for the ConfigMap that holds the agent's settings, in the agent's namespace. */
export const AGENT_CONFIG_MAP = { namespace: "kube-system", name: "cilium-config" } as const;

/** `bpf-lb-acceleration`. */
export type Acceleration = AgentConfig["lbAcceleration"];

const fields = Object.entries(agentSettings) as [keyof AgentConfig, Setting<AgentConfig[keyof AgentConfig]>][];
const fieldByKey = new Map(fields.map(([field, setting]) => [setting.key, field]));

/** Every setting at its default. */
export function defaultAgentConfig(): AgentConfig {
  return Object.fromEntries(fields.map(([field, setting]) => [field, setting.defaultValue])) as AgentConfig;
}

export interface AgentConfigOptions {
  /** Memory of the machine; map sizes that are not set follow it. Without it they have their fixed defaults. */
  readonly memoryBytes?: number;
}

/**
 * Typed settings of a ConfigMap's data. Keys that are missing get their default.
 * @throws UsageError `agent-config`: its message has one line for every unknown key, value out of bounds, and upstream
 *   feature that this version does not have; `details.problems` holds them as a list.
 */
export function parseAgentConfig(
  data: Readonly<Record<string, string>>,
  options: AgentConfigOptions = {},
): ParsedAgentConfig {
  const values: Partial<Record<keyof AgentConfig, unknown>> = {};
  const problems: string[] = [];
  const notes: string[] = [];
  for (const [key, text] of Object.entries(data)) {
    const judged = judgeSetting(key, text);
    if ("problem" in judged) problems.push(judged.problem);
    else if ("note" in judged) notes.push(judged.note);
    else values[judged.field] = judged.value;
  }
  const config = { ...defaultAgentConfig(), ...(values as Partial<AgentConfig>) };
  problems.push(...conflictsOf(config));
  if (problems.length > 0) {
    throw new UsageError("agent-config", `the agent's settings are wrong:\n${problems.join("\n")}`, {
      hint: "A setting keeps its default when its key is left out.",
      details: { problems },
    });
  }
  const { memoryBytes } = options;
  if (memoryBytes === undefined) return { config, notes };
  return { config: sizeMaps(config, (field) => values[field] !== undefined, memoryBytes), notes };
}

/** One key of the ConfigMap by itself: its value, what is wrong with it, or why it changes nothing. */
export function judgeSetting(
  key: string,
  text: string,
):
  | { readonly field: keyof AgentConfig; readonly value: unknown }
  | { readonly problem: string }
  | { readonly note: string } {
  const field = fieldByKey.get(key);
  if (field === undefined) {
    const verdict = judgeOtherKey(key, text);
    return verdict.isProblem ? { problem: verdict.text } : { note: verdict.text };
  }
  const parsed = agentSettings[field].parse(text.trim());
  return "problem" in parsed ? { problem: `${key} ${parsed.problem}` } : { field, value: parsed.value };
}

/** Whether packets from outside may go to another node's backend with the client's address (direct server return). */
export function usesDsr({ lbMode, lbModeAnnotation }: Pick<AgentConfig, "lbMode" | "lbModeAnnotation">): boolean {
  return lbMode !== "snat" || lbModeAnnotation;
}

/** Settings that are right by themselves and wrong together. */
function conflictsOf(config: AgentConfig): readonly string[] {
  const { enableIpv4, enableIpv6 } = config;
  if (!enableIpv4 && !enableIpv6) return ['enable-ipv4 and enable-ipv6 are both "false": pods need an address'];
  const dsrProblems = dsrConflictsOf(config);
  if (dsrProblems.length > 0) return dsrProblems;
  // Upstream's rule: without a tunnel nobody else knows which addresses lead back to pods.
  if (config.routingMode !== "native" || config.ipMasqAgent) return [];
  const families = [
    ["ipv4", enableIpv4 && config.masqueradeIpv4 && config.ipv4NativeRoutingCidr === undefined],
    ["ipv6", enableIpv6 && config.masqueradeIpv6 && config.ipv6NativeRoutingCidr === undefined],
  ] as const;
  return families
    .filter(([, isMissing]) => isMissing)
    .map(
      ([family]) =>
        `${family}-native-routing-cidr is needed with routing-mode native and enable-${family}-masquerade: what is not masqueraded`,
    );
}

function dsrConflictsOf(config: AgentConfig): readonly string[] {
  const key = config.lbMode === "snat" ? "bpf-lb-mode-annotation" : `bpf-lb-mode ${config.lbMode}`;
  const wraps = usesDsr(config) && config.lbDsrDispatch === "ipip";
  const rules = [
    [
      usesDsr(config) && config.routingMode === "tunnel",
      `${key} with bpf-lb-dsr-dispatch ${config.lbDsrDispatch} needs routing-mode native: a tunnel leaves no place for the frontend`,
    ],
    [
      usesDsr(config) && config.ipipTermination && !wraps,
      `enable-ipip-termination with ${key} needs bpf-lb-dsr-dispatch ipip: frontends come one way or the other`,
    ],
    [
      (config.lbRssIpv4Cidr !== undefined || config.lbRssIpv6Cidr !== undefined) && !wraps,
      "bpf-lb-rss-ipv4-src-cidr and bpf-lb-rss-ipv6-src-cidr need bpf-lb-mode dsr and bpf-lb-dsr-dispatch ipip",
    ],
  ] as const;
  return rules.filter(([isBroken]) => isBroken).map(([, problem]) => problem);
}

/** A key that is no setting of ours: upstream's and harmless, upstream's and switched on, or a slip. */
function judgeOtherKey(key: string, text: string): { readonly isProblem: boolean; readonly text: string } {
  const off = laterSettings[key];
  if (off !== undefined) {
    if (off.includes(text.trim()))
      return { isProblem: false, text: `${key}: "${text}" is what this version does anyway` };
    const takes = off.map((word) => `"${word}"`).join(" or ");
    return {
      isProblem: true,
      text: `${key}: "${text}" is not supported by this version; leave it out or set ${takes}`,
    };
  }
  if (otherUpstreamKeys.has(key)) return { isProblem: false, text: `${key}: not used by this version` };
  const known = [...fieldByKey.keys(), ...Object.keys(laterSettings), ...otherUpstreamKeys];
  const nearest = nearestName(key, known);
  return { isProblem: true, text: `${key} is no setting${nearest === undefined ? "" : `: did you mean ${nearest}?`}` };
}

/** The ConfigMap data that {@link parseAgentConfig} reads as `config`; only what differs from the defaults. */
export function formatAgentConfig(config: AgentConfig): Readonly<Record<string, string>> {
  const changed = fields.filter(([field, setting]) => config[field] !== setting.defaultValue);
  return Object.fromEntries(changed.map(([field, setting]) => [setting.key, setting.format(config[field])]));
}

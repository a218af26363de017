import { UsageError } from "../lib/errors.js";

export const aggregationLevels = ["none", "lowest", "low", "medium", "maximum"] as const;
export type AggregationLevel = (typeof aggregationLevels)[number];

/** Which records programs write of packets: of a whole node, or of an endpoint. */
export interface EventOptions {
  readonly drops: boolean;
  readonly traces: boolean;
  readonly verdicts: boolean;
  readonly aggregation: AggregationLevel;
}

interface OptionSpec<K extends keyof EventOptions> {
  readonly field: K;
  readonly description: string;
  /** Undefined for what is no value. */
  parse(text: string): EventOptions[K] | undefined;
}

/** Upstream's options of an endpoint that these programs have, by upstream's names. */
export const endpointOptions = {
  DropNotification: { field: "drops", description: "Enable drop notifications", parse: parseBoolean },
  TraceNotification: { field: "traces", description: "Enable trace notifications", parse: parseBoolean },
  PolicyVerdictNotification: {
    field: "verdicts",
    description: "Enable policy verdict notifications",
    parse: parseBoolean,
  },
  MonitorAggregationLevel: {
    field: "aggregation",
    description: "Set the level of aggregation for monitor events in the datapath",
    parse: parseLevel,
  },
} as const satisfies Readonly<Record<string, OptionSpec<"drops" | "traces" | "verdicts"> | OptionSpec<"aggregation">>>;

export type EndpointOptionName = keyof typeof endpointOptions;

/** Upstream's other options of an endpoint, and why they cannot be set here. */
const missingOptions: Readonly<Record<string, string>> = {
  Debug: "the programs of this version write no debug messages",
  DebugLB: "the programs of this version write no debug messages",
  DebugPolicy: "the programs of this version write no debug messages",
  PolicyAuditMode: "policy-audit-mode is a setting of the whole node",
  SourceIPVerification: "the source of what a pod sends is always verified",
};

/** The node's settings that endpoints share as long as they have no options of their own. */
export function nodeEventOptions(config: {
  readonly eventsDrop: boolean;
  readonly eventsTrace: boolean;
  readonly eventsPolicyVerdict: boolean;
  readonly monitorAggregation: AggregationLevel;
}): EventOptions {
  return {
    drops: config.eventsDrop,
    traces: config.eventsTrace,
    verdicts: config.eventsPolicyVerdict,
    aggregation: config.monitorAggregation,
  };
}

/**
 * `DropNotification=false`: names as upstream takes them, whatever their case.
 * @throws UsageError for a name or a value that is none
 */
export function parseEndpointOption(word: string): Partial<EventOptions> {
  const [name = "", value] = word.split(/=(.*)/s);
  const known = findOption(name);
  if (known === undefined) throw unknownOption(name);
  const parsed = value === undefined ? true : endpointOptions[known].parse(value);
  if (parsed === undefined || (known === "MonitorAggregationLevel" && value === undefined)) {
    const values = known === "MonitorAggregationLevel" ? aggregationLevels.join(", ") : "true or false";
    throw new UsageError("option-value", `${known} takes ${values}, not "${value ?? ""}"`);
  }
  return { [endpointOptions[known].field]: parsed };
}

function findOption(name: string): EndpointOptionName | undefined {
  const names = Object.keys(endpointOptions) as EndpointOptionName[];
  return names.find((known) => known.toLowerCase() === name.toLowerCase());
}

function unknownOption(name: string): UsageError {
  const missing = Object.keys(missingOptions).find((one) => one.toLowerCase() === name.toLowerCase());
  return missing === undefined
    ? new UsageError("option-unknown", `an endpoint has no option "${name}"`, {
        hint: `Options are ${Object.keys(endpointOptions).join(", ")}.`,
      })
    : new UsageError("option-missing", `${missing} cannot be set: ${missingOptions[missing]}`);
}

/** What an agent is asked to change, or what it kept in a file. Undefined for anything else. */
export function parseEventOptions(value: unknown): Partial<EventOptions> | undefined {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return undefined;
  const isRight = Object.entries(value).every(([field, one]) =>
    field === "aggregation"
      ? aggregationLevels.includes(one as AggregationLevel)
      : ["drops", "traces", "verdicts"].includes(field) && typeof one === "boolean",
  );
  return isRight ? (value as Partial<EventOptions>) : undefined;
}

/** One option of an endpoint, `endpoint config`. */
export interface EndpointOptionRow {
  readonly node: string;
  readonly endpointId: number;
  readonly podNamespace?: string | undefined;
  readonly podName?: string | undefined;
  readonly option: EndpointOptionName;
  readonly value: boolean | AggregationLevel;
  /** Whose it is: of its own, or the node's setting. */
  readonly origin: "endpoint" | "node";
}

/** What an agent is asked: to change options of an endpoint, or with none to tell them. */
export interface EndpointOptionsRequest {
  readonly endpointId: number;
  readonly change: Partial<EventOptions>;
}

/** What it answers. */
export interface EndpointOptionsAnswer {
  readonly endpointId: number;
  readonly options: EventOptions;
  /** Those that the endpoint has of its own; the others are the node's. */
  readonly own: readonly (keyof EventOptions)[];
}

/** Undefined for anything but a request. */
export function parseEndpointOptionsRequest(value: unknown): EndpointOptionsRequest | undefined {
  if (typeof value !== "object" || value === null) return undefined;
  const { endpointId, change }: Partial<Record<string, unknown>> = { ...value };
  const parsed = parseEventOptions(change);
  return typeof endpointId === "number" && parsed !== undefined ? { endpointId, change: parsed } : undefined;
}

const booleans: Readonly<Record<string, boolean>> = {
  ...Object.fromEntries(["true", "on", "enable", "enabled", "1"].map((word) => [word, true])),
  ...Object.fromEntries(["false", "off", "disable", "disabled", "0"].map((word) => [word, false])),
};

function parseBoolean(text: string): boolean | undefined {
  return booleans[text.toLowerCase()];
}

/** Upstream's numbers stand for the levels too. */
function parseLevel(text: string): AggregationLevel | undefined {
  const word = text.toLowerCase();
  if (word === "max") return "maximum";
  if (word === "disabled") return "none";
  return aggregationLevels.find((level, number) => level === word || String(number) === word);
}

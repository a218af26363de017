import type { JsonObject } from "../../../lib/json-value.js";
import type { MonitorRecord } from "../../../model/monitor.js";
import type { MonitorEvent } from "../../../model/monitor-event.js";
import type { UpstreamRelease } from "../../../model/upstream-release.js";
import { escapeGo } from "../../go-json.js";
import { agentJson, agentLine, l7Json, l7Line } from "./agent-events.js";
import { captureBlock, captureJson, captureLine, debugJson, debugLine, recorderBlock, traceSockLine } from "./debug.js";
import { dropBlock, dropJson, dropLine } from "./drop.js";
import type { EventScope } from "./event-scope.js";
import { policyVerdictLine } from "./policy-verdict.js";
import { PortNames } from "./port-names.js";
import { traceBlock, traceJson, traceLine } from "./trace.js";
import { undecodableLine } from "./undecodable.js";

/** Upstream's levels: none, `-v`, `-v -v` and `-j`. */
export type MonitorVerbosity = "info" | "debug" | "verbose" | "json";

export interface MonitorFormatOptions {
  readonly verbosity: MonitorVerbosity;
  /** `-n`: identities as numbers only. */
  readonly isNumeric?: boolean;
  /** `--hex`: packets as bytes, where the verbose form prints them at all. */
  readonly isHex?: boolean;
}

/** Prints events as upstream's `cilium-dbg monitor` of their release does, byte for byte. */
export class MonitorFormatter {
  readonly #options: MonitorFormatOptions;
  readonly #ports = new Map<UpstreamRelease, PortNames>();

  constructor(options: MonitorFormatOptions) {
    this.#options = options;
  }

  /** Whole lines; empty for what upstream does not print at this level. The event has its record. */
  format(event: MonitorEvent): string {
    if (event.record === undefined) throw new TypeError("upstream's forms are made of records, and the event has none");
    const scope: EventScope = {
      release: event.release,
      cpuPrefix: `CPU ${String(event.cpu ?? 0).padStart(2, "0")}:`,
      interfaceName: event.interfaceName ?? String(event.interfaceIndex ?? 0),
      isNumeric: this.#options.isNumeric ?? false,
      isHex: this.#options.isHex ?? false,
      ports: this.#portsOf(event.release),
    };
    return forms[this.#options.verbosity](event.record, scope);
  }

  #portsOf(release: UpstreamRelease): PortNames {
    let ports = this.#ports.get(release);
    if (ports === undefined) {
      ports = new PortNames(release);
      this.#ports.set(release, ports);
    }
    return ports;
  }
}

type Form = (record: MonitorRecord, scope: EventScope) => string;

const forms: Readonly<Record<MonitorVerbosity, Form>> = {
  info: (record, scope) => (record.kind === "debug" || record.kind === "trace-sock" ? "" : lineOf(record, scope)),
  debug: lineOf,
  verbose: (record, scope) => {
    switch (record.kind) {
      case "drop":
        return dropBlock(record, scope);
      case "trace":
        return traceBlock(record, scope);
      case "capture":
        return captureBlock(record, scope);
      case "trace-sock":
        return "";
      default:
        return lineOf(record, scope);
    }
  },
  json: (record, scope) => {
    switch (record.kind) {
      case "drop":
        return jsonLine(dropJson(record, scope));
      case "trace":
        return jsonLine(traceJson(record, scope));
      case "capture":
        return jsonLine(captureJson(record, scope));
      case "l7":
        return jsonLine(l7Json(record, scope.release));
      case "debug":
        return debugJson(record, scope);
      case "agent":
        return agentJson(record);
      case "trace-sock":
        return "";
      default:
        return lineOf(record, scope);
    }
  },
};

function lineOf(record: MonitorRecord, scope: EventScope): string {
  switch (record.kind) {
    case "drop":
      return dropLine(record, scope);
    case "trace":
      return traceLine(record, scope);
    case "policy-verdict":
      return policyVerdictLine(record, scope);
    case "debug":
      return debugLine(record, scope);
    case "capture":
      return captureLine(record, scope);
    case "recorder":
      return recorderBlock(record, scope);
    case "trace-sock":
      return traceSockLine(record, scope);
    case "l7":
      return l7Line(record);
    case "agent":
      return agentLine(record);
    case "lost":
      return `${scope.cpuPrefix} Lost ${record.count} events\n`;
    case "unknown":
      return record.error === undefined
        ? `${scope.cpuPrefix} Unknown event: [${record.bytes.join(" ")}]\n`
        : undecodableLine(record);
  }
}

/** Trace ids have 64 bits: their digits came as text where a number is not exact. */
function jsonLine(fields: JsonObject): string {
  return `${escapeGo(JSON.stringify(fields)).replace(/"(IPTraceID|IpTraceID)":"(\d+)"/, '"$1":$2')}\n`;
}

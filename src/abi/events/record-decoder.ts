import { CtsError } from "../../lib/errors.js";
import { type MonitorRecord, messageTypes } from "../../model/monitor.js";
import { reasonText } from "../drop-reasons.js";
import { decodeAccessLog } from "../monitor/access-log.js";
import { decodeAgentNotification } from "../monitor/agent-notification.js";
import {
  observationPointName,
  policyMatchTypes,
  traceReasonEncrypted,
  traceReasonText,
  xlatePoints,
} from "../observation-points.js";
import { commonTo, newestOf, type Release, type Releases } from "../release.js";
import { sourceFileName } from "../source-files.js";
import { agentNotificationText } from "./agent-notifications.js";
import { conntrackVerdict, debugCodeName, debugCtVerdict } from "./debug-codes.js";
import { createEventCodecs, type DatapathEvent, type EventCodecs } from "./event-codecs.js";

export interface DecodedRecord {
  readonly record: MonitorRecord;
  /** Newest of the releases in question that send such a record. */
  readonly release: Release;
}

export interface RecordDecoder {
  /**
   * Decodes a record of the ring or of an upstream agent's stream, any bytes: those that are no record come out as an
   * unknown one that says why. The result shares nothing with `bytes`. Never throws.
   */
  decode(bytes: Uint8Array): DecodedRecord;
}

/** @param candidates releases that the records may be of */
export function createRecordDecoder(candidates: Releases): RecordDecoder {
  const codecs = createEventCodecs(candidates);
  const release = newestOf(candidates);
  return {
    decode(bytes) {
      try {
        return decodeRecord(codecs, bytes, release);
      } catch (error) {
        if (!(error instanceof CtsError)) throw error;
        const type = bytes[0] ?? 0;
        return { record: { kind: "unknown", type, bytes: new Uint8Array(bytes), error: error.message }, release };
      }
    },
  };
}

function decodeRecord(codecs: EventCodecs, bytes: Uint8Array, release: Release): DecodedRecord {
  const type = bytes[0];
  if (type === messageTypes.l7) return { record: decodeAccessLog(bytes), release };
  if (type === messageTypes.agent) {
    const { code, json } = decodeAgentNotification(bytes);
    return { record: { kind: "agent", code, json, text: agentNotificationText(code, release) }, release };
  }
  const event = codecs.decode(bytes);
  if (event !== undefined) return { record: namedRecord(event), release: newestOf(event.releases) };
  return { record: { kind: "unknown", type: type ?? 0, bytes: new Uint8Array(bytes) }, release };
}

/** The event with the names that its codes have in the release that sent it. */
function namedRecord(event: DatapathEvent): MonitorRecord {
  const release = newestOf(event.releases);
  const data = new Uint8Array(event.rest);
  switch (event.kind) {
    case "drop": {
      const { file, reason } = event.header;
      const isFileUncertain = commonTo(event.releases, (of) => sourceFileName(file, of)) === undefined;
      return {
        kind: "drop",
        ...event.header,
        reasonText: reasonText(reason, release),
        fileName: sourceFileName(file, release),
        isFileUncertain,
        data,
      };
    }
    case "trace": {
      const { observationPoint, reason } = event.header;
      return {
        kind: "trace",
        ...event.header,
        observationPointName: observationPointName(observationPoint, release),
        reasonText: traceReasonText(reason, release),
        isEncrypted: (reason & traceReasonEncrypted) !== 0,
        data,
      };
    }
    case "policy-verdict": {
      const { matchType, verdict } = event.header;
      const matchTypeText = policyMatchTypes[matchType] ?? "unknown";
      const denial = verdict < 0 ? { reasonText: reasonText(-verdict & 0xff, release) } : {};
      return { kind: "policy-verdict", ...event.header, matchTypeText, ...denial, data };
    }
    case "debug": {
      const { code, arg1 } = event.header;
      const verdict = code === debugCtVerdict ? { conntrackState: conntrackVerdict(arg1, release) } : {};
      return { kind: "debug", ...event.header, codeName: debugCodeName(code, release), ...verdict };
    }
    case "capture":
      return { kind: "capture", ...event.header, data };
    case "recorder":
      return { kind: "recorder", ...event.header, data };
    case "trace-sock":
      return {
        kind: "trace-sock",
        ...event.header,
        xlatePointName: xlatePoints[event.header.xlatePoint] ?? "unknown",
      };
  }
}

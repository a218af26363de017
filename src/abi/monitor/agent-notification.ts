import { decodeGob } from "../gob/gob-decoder.js";
import { GobError } from "../gob/gob-error.js";
import { type GobStruct, isGobStruct, numberField, textField } from "../gob/gob-value.js";

/** What an upstream agent says of itself: `api.AgentNotify`. */
export interface AgentNotification {
  /** `AgentNotify*` */
  readonly code: number;
  /** A JSON document. */
  readonly json: string;
}

/** @param record the whole record, whose first byte is 130 @throws GobError */
export function decodeAgentNotification(record: Uint8Array): AgentNotification {
  const value = decodeOwnRecord(record, "agent notification");
  return { code: numberField(value, "Type"), json: textField(value, "Text") };
}

/** The agent's own records are a type byte and a gob stream with one struct. @throws GobError */
export function decodeOwnRecord(record: Uint8Array, what: string): GobStruct {
  const value = decodeGob(record.subarray(1));
  if (!isGobStruct(value)) throw new GobError("gob-shape", `the gob stream of the ${what} holds no struct`);
  return value;
}

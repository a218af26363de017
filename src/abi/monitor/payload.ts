import { GobDecoder } from "../gob/gob-decoder.js";
import { GobError } from "../gob/gob-error.js";
import { bigintField, bytesField, type GobValue, isGobStruct, numberField } from "../gob/gob-value.js";

/** Kinds of payloads, numbered as the kernel numbers perf records. */
export const payloadType = { lost: 2, sample: 9 } as const;

/** One payload of an upstream agent's monitor socket: `payload.Payload` of protocol 1.2, the same in 1.14 to 1.20. */
export interface MonitorPayload {
  /** {@link payloadType}, or something newer. */
  readonly type: number;
  /** Of the ring that it came from; 0 for what the agent itself says. */
  readonly cpu: number;
  /** A record, its message type first; empty for a loss. */
  readonly data: Uint8Array;
  /** Records that did not fit the ring. */
  readonly lost: bigint;
}

/** Reads what an upstream agent sends on its monitor socket: one gob stream of payloads for each connection. */
export class PayloadDecoder {
  readonly #gob = new GobDecoder();

  /** Payloads that are whole now. @throws GobError for a stream of anything else */
  push(bytes: Uint8Array): readonly MonitorPayload[] {
    return this.#gob.push(bytes).map(toPayload);
  }

  /** @throws GobError `gob-cut` when the stream ended within a payload */
  end(): void {
    this.#gob.end();
  }
}

function toPayload(value: GobValue): MonitorPayload {
  if (!isGobStruct(value)) throw new GobError("gob-shape", "a value of the monitor's stream is no payload");
  return {
    type: numberField(value, "Type"),
    cpu: numberField(value, "CPU"),
    data: bytesField(value, "Data"),
    lost: bigintField(value, "Lost"),
  };
}

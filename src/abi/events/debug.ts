import { type DebugCaptureHeader, type DebugHeader, messageTypes, type RecorderHeader } from "../../model/monitor.js";
import { u64, uint } from "../../model/struct-fields.js";
import type { Codec } from "../codec.js";
import type { Release } from "../release.js";
import { structCodec } from "../struct-codec.js";
import { captureHeaderSpecs, type Typed, withType } from "./typed-codec.js";

/** `debug_msg`, 20 bytes. */
export function createDebugCodec(release: Release): Codec<DebugHeader> {
  return withType(
    messageTypes.debug,
    structCodec<Typed<DebugHeader>>("debug_msg", [release], {
      type: uint("type"),
      code: uint("subtype"),
      source: uint("source"),
      hash: uint("hash"),
      arg1: uint("arg1"),
      arg2: uint("arg2"),
      arg3: uint("arg3"),
    }),
  );
}

/** `debug_capture_msg`, 24 bytes. */
export function createCaptureCodec(release: Release): Codec<DebugCaptureHeader> {
  return withType(
    messageTypes.capture,
    structCodec<Typed<DebugCaptureHeader>>("debug_capture_msg", [release], {
      type: uint("type"),
      ...captureHeaderSpecs,
      code: uint("subtype"),
      arg1: uint("arg1"),
      arg2: uint("arg2"),
    }),
  );
}

/** `capture_msg` of the recorder, 24 bytes, up to 1.18. */
export function createRecorderCodec(): Codec<RecorderHeader> {
  return withType(
    messageTypes.recorder,
    structCodec<Typed<RecorderHeader>>("capture_msg", ["1.18"], {
      type: uint("type"),
      direction: uint("subtype"),
      ruleId: uint("source"),
      timestampNs: u64("hdr.to.tv_boot"),
      capturedLengthBytes: uint("hdr.caplen"),
      originalLengthBytes: uint("hdr.len"),
    }),
  );
}

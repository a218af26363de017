import { type DebugCaptureHeader, type DebugHeader, messageTypes, type RecorderHeader } from "../../model/monitor.js";
import { u64, uint } from "../../model/struct-fields.js";
import type { Codec } from "../codec.js";
import type { Release } from "../release.js";
import { structCodec } from "../struct-codec.js";
import { captureHeaderSpecs } from "./capture-header.js";

/** `debug_msg`, 20 bytes. */
export function createDebugCodec(release: Release): Codec<DebugHeader> {
  return structCodec<DebugHeader>(
    "debug_msg",
    [release],
    {
      code: uint("subtype"),
      source: uint("source"),
      hash: uint("hash"),
      arg1: uint("arg1"),
      arg2: uint("arg2"),
      arg3: uint("arg3"),
    },
    { type: messageTypes.debug },
  );
}

/** `debug_capture_msg`, 24 bytes. */
export function createCaptureCodec(release: Release): Codec<DebugCaptureHeader> {
  return structCodec<DebugCaptureHeader>(
    "debug_capture_msg",
    [release],
    {
      ...captureHeaderSpecs,
      code: uint("subtype"),
      arg1: uint("arg1"),
      arg2: uint("arg2"),
    },
    { type: messageTypes.capture },
  );
}

/** `capture_msg` of the recorder, 24 bytes, up to 1.18. */
export function createRecorderCodec(): Codec<RecorderHeader> {
  return structCodec<RecorderHeader>(
    "capture_msg",
    ["1.18"],
    {
      direction: uint("subtype"),
      ruleId: uint("source"),
      timestampNs: u64("hdr.to.tv_boot"),
      capturedLengthBytes: uint("hdr.caplen"),
      originalLengthBytes: uint("hdr.len"),
    },
    { type: messageTypes.recorder },
  );
}

import type { CaptureHeader } from "../../model/monitor.js";
import { type FieldSpecs, uint } from "../../model/struct-fields.js";

export const captureHeaderSpecs: FieldSpecs<CaptureHeader> = {
  source: uint("source"),
  hash: uint("hash"),
  originalLengthBytes: uint("len_orig"),
  capturedLengthBytes: uint("len_cap"),
  version: uint("version"),
};

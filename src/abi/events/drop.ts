import { type DropHeader, messageTypes } from "../../model/monitor.js";
import { orElse, sint, u64, uint } from "../../model/struct-fields.js";
import type { Codec } from "../codec.js";
import type { Release } from "../release.js";
import { structCodec } from "../struct-codec.js";
import { captureHeaderSpecs } from "./capture-header.js";

/** `drop_notify`: 36 bytes up to 1.16, 40 in 1.17 and 1.18, 48 since. */
export function createDropCodec(release: Release): Codec<DropHeader> {
  return structCodec<DropHeader>(
    "drop_notify",
    [release],
    {
      ...captureHeaderSpecs,
      reason: uint("subtype"),
      sourceIdentity: uint("src_label"),
      destinationIdentity: uint("dst_label"),
      destinationEndpoint: uint("dst_id"),
      line: uint("line"),
      file: uint("file"),
      extendedError: sint("ext_error"),
      interfaceIndex: uint("ifindex"),
      flags: orElse(uint("flags"), 0),
      ipTraceId: orElse(u64("ip_trace_id"), 0n),
    },
    { type: messageTypes.drop },
  );
}

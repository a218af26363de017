import { messageTypes, type PolicyVerdictHeader } from "../../model/monitor.js";
import { bit, bits, orElse, sint, uint } from "../../model/struct-fields.js";
import type { Codec } from "../codec.js";
import type { Release } from "../release.js";
import { structCodec } from "../struct-codec.js";
import { captureHeaderSpecs } from "./capture-header.js";

/** `policy_verdict_notify`: 32 bytes up to 1.18, 40 since, under the same version number. */
export function createPolicyVerdictCodec(release: Release): Codec<PolicyVerdictHeader> {
  return structCodec<PolicyVerdictHeader>(
    "policy_verdict_notify",
    [release],
    {
      ...captureHeaderSpecs,
      remoteIdentity: uint("remote_label"),
      verdict: sint("verdict"),
      destinationPort: uint("dst_port"),
      protocol: uint("proto"),
      direction: bits("dir"),
      isIpv6: bit("ipv6"),
      matchType: bits("match_type"),
      isAudited: bit("audited"),
      isL3Device: bit("l3"),
      authType: uint("auth_type"),
      cookie: orElse(uint("cookie"), 0),
    },
    { type: messageTypes["policy-verdict"] },
  );
}

import type { NumericIdentity } from "../identity.js";
import type { CompiledPolicy, PolicyPacket, PolicyVerdict } from "./compiled-policy.js";

/** What the datapath decides of a packet, by its very look-ups: the peer's own entry, and the one for everybody. */
export function decideVerdict(_compiled: CompiledPolicy, _packet: PolicyPacket): PolicyVerdict {
  throw new Error("follows");
}

/** One end of a connection; without a policy where it is no endpoint (world) or one of another node that nobody asked. */
export interface ConnectionEnd {
  readonly identity: NumericIdentity;
  readonly policy?: CompiledPolicy;
}

/** A new connection, as both ends' policies see it. */
export interface ConnectionVerdict {
  /** Of the ends that have a policy; ingress is not asked when egress says no. */
  readonly egress?: PolicyVerdict;
  readonly ingress?: PolicyVerdict;
  readonly isAllowed: boolean;
}

export function decideConnection(
  _from: ConnectionEnd,
  _to: ConnectionEnd,
  _what: { readonly protocol: number; readonly port: number },
): ConnectionVerdict {
  throw new Error("follows");
}

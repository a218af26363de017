import type { PolicyDirection } from "./policy-rule.js";

/** What one end's policy says of a connection that was asked for (`policy verdict`). */
export interface PolicyVerdictRow {
  /** Both ends as people name them: `default/web`, `203.0.113.10 (world)`. */
  readonly from: string;
  readonly to: string;
  /** Identities of the ends. */
  readonly fromIdentity: number;
  readonly toIdentity: number;
  /** IP protocol. */
  readonly protocol: number;
  /** Where the packet arrives: behind a Service that of its backend. */
  readonly port: number;
  /** Whose policy it is: the sender's egress, the receiver's ingress. */
  readonly direction: PolicyDirection;
  readonly verdict: "allow" | "deny" | "default-deny";
  /** `NetworkPolicy/shop/web spec.ingress[0]`: the rules that allow or deny; of a default deny those that ask for it. */
  readonly rules: readonly string[];
  /** Why, in one sentence. */
  readonly reason: string;
}

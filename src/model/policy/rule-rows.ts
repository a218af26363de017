import type { PolicyDirection, PolicyKind } from "./policy-rule.js";

/** One rule of a policy in the form that all kinds come down to (`policy list`). */
export interface PolicyRuleRow {
  readonly kind: PolicyKind;
  readonly namespace?: string | undefined;
  readonly name: string;
  /** `spec.ingress[0]` */
  readonly path: string;
  /** Whose policy it is part of. */
  readonly subject: string;
  readonly direction: PolicyDirection;
  readonly verdict: "allow" | "deny";
  readonly hasDefaultDeny: boolean;
  readonly peers: readonly string[];
  readonly ports: readonly string[];
}

/** One selector of policies, and whom it selects now (`policy selectors`). */
export interface PolicySelectorRow {
  readonly selector: string;
  /** Rules that use it for their subject or a peer. */
  readonly rules: number;
  readonly identities: readonly number[];
}

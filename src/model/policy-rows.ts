import type { ReleasedRow } from "./rows.js";

/**
 * One policy map entry (`bpf policy get`). What only some releases have is absent in the others; of what the releases in
 * question count differently it is not known.
 */
export interface PolicyRow extends ReleasedRow {
  /** Name of the pinned map. */
  readonly map: string;
  readonly endpointId: number;
  /** Bits of the key that count: 40, with the protocol 48, with all of the port 64. */
  readonly prefixLength: number;
  /** Peer; 0 is any. */
  readonly identity: number;
  /** Of the identity, as far as anybody knew them. */
  readonly labels?: readonly string[] | undefined;
  readonly direction: "ingress" | "egress";
  readonly protocol: number;
  readonly port: number;
  /** Last port of the range that the prefix covers; equal to `port` for a single one. */
  readonly lastPort: number;
  readonly isDeny: boolean;
  /** `pass` leaves the decision to the next tier (1.20). */
  readonly verdict: "allow" | "deny" | "pass" | undefined;
  /** The byte of the deny bit as it is. */
  readonly flags: number;
  readonly lpmPrefixLength: number;
  /** 0 for none. */
  readonly proxyPort: number;
  readonly authType: number;
  readonly hasExplicitAuthType: boolean;
  /** 1.17 and 1.18. */
  readonly proxyPortPriority: number | undefined;
  /** Since 1.19: rule and listener in one number, the highest wins. */
  readonly precedence: number | undefined;
  /** Since 1.19: of the rule, 0 is the first. */
  readonly rulePriority: number | undefined;
  /** Since 1.17: of the listener that traffic is redirected to, 1 is the first and 0 is none. */
  readonly listenerPriority: number | undefined;
  /** Since 1.19. */
  readonly cookie: number | undefined;
  /** Behind the entry, by its cookie, as far as anybody knew them: `NetworkPolicy/shop/web spec.ingress[0]`. */
  readonly rules?: readonly string[] | undefined;
  /** Since 1.18 in a map of their own, which lacks entries that nothing has matched yet. */
  readonly packets?: bigint | undefined;
  readonly bytes?: bigint | undefined;
}

/** `disabled`, `spire` … as upstream prints them. */
export function authTypeText(authType: number): string {
  return ["disabled", "spire", "test-always-fail"][authType] ?? `Unknown-auth-type-${authType}`;
}

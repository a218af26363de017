import { formatIdentity } from "../../../model/identity.js";
import { isReleaseSince, type UpstreamRelease } from "../../../model/upstream-release.js";
import type { PortNames } from "./port-names.js";

/** What the printing of one event depends on beside its record. */
export interface EventScope {
  readonly release: UpstreamRelease;
  /** `CPU 02:` */
  readonly cpuPrefix: string;
  /** The event's interface by name, its index where the name is not known. */
  readonly interfaceName: string;
  /** Identities as numbers only. */
  readonly isNumeric: boolean;
  /** Packets as bytes in hex. */
  readonly isHex: boolean;
  readonly ports: PortNames;
}

/**
 * The verbose form: a line of dashes, what there is to say, the packet. Up to 1.18 drops and traces were said in a buffer
 * that was only written out behind their packet.
 */
export function verboseBlock(head: string, packet: string, release: UpstreamRelease): string {
  return isReleaseSince(release, "1.19") ? `${separator}${head}${packet}` : `${separator}${packet}${head}`;
}

export const separator = `${"-".repeat(78)}\n`;

/** `, identity 59068->world` */
export function identityText(
  { sourceIdentity, destinationIdentity }: { readonly sourceIdentity: number; readonly destinationIdentity: number },
  scope: EventScope,
): string {
  return `, identity ${identityName(sourceIdentity, scope)}->${identityName(destinationIdentity, scope)}`;
}

export function identityName(identity: number, { isNumeric, release }: EventScope): string {
  return isNumeric ? String(identity) : formatIdentity(identity, release);
}

import { formatRemaining } from "../../lib/time.js";
import { type NodeClock, secondsUntil } from "../../model/node-clock.js";
import type { CtDirection } from "../../model/rows.js";

/** Texts of cells that both ways of printing a conntrack entry share. */

export function directionText(direction: CtDirection, isRelated: boolean): string {
  return isRelated ? `${direction}+related` : direction;
}

/** The time that is left. JSON and upstream's formats tell the kernel's own number: seconds of the node's clock. */
export function remainingText(expiresAtSeconds: number, clock: NodeClock | undefined): string {
  return clock === undefined ? `at ${expiresAtSeconds}s` : restText(secondsUntil(clock, expiresAtSeconds));
}

export function restText(remainingSeconds: number): string {
  return remainingSeconds < 0 ? "expired" : formatRemaining(remainingSeconds);
}

export function flagText(names: readonly string[]): string {
  return names.join(",") || "-";
}

import { formatAge, formatRemaining } from "../../lib/time.js";
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

/** Seconds since a time that an entry holds; undefined for one that it does not hold, or without a clock. */
export function secondsAgo(clock: NodeClock | undefined, time: number): number | undefined {
  return clock === undefined || time === 0 ? undefined : -secondsUntil(clock, time);
}

export function lastSeenText(clock: NodeClock | undefined, time: number): string {
  if (time === 0) return "-";
  return clock === undefined ? `at ${time}s` : agoText(-secondsUntil(clock, time));
}

export function agoText(seconds: number): string {
  return formatAge(1000 * seconds);
}

export function flagText(names: readonly string[]): string {
  return names.join(",") || "-";
}

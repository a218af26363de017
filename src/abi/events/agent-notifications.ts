import { isReleaseSince } from "../../model/upstream-release.js";
import type { Release } from "../release.js";

/** What an upstream agent's notifications are called (`AgentNotify*`), by code. */
const texts: readonly string[] = [
  "unspecified",
  "Message",
  "Cilium agent started",
  "Endpoint regenerated",
  "Failed endpoint regeneration",
  "Policy updated",
  "Policy deleted",
  "Endpoint created",
  "Endpoint deleted",
  "IPCache entry upserted",
  "IPCache entry deleted",
];

/** Until 1.17. */
const serviceTexts: readonly string[] = ["Service upserted", "Service deleted"];

/** The notification's text, its number where the release has none. */
export function agentNotificationText(code: number, release: Release): string {
  const known = isReleaseSince(release, "1.18") ? texts : [...texts, ...serviceTexts];
  return known[code] ?? String(code);
}

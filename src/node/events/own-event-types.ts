import { sentTypes } from "../../datapath/event-slots.js";
import { AgentError } from "../../lib/errors.js";
import type { MessageTypeName } from "../../model/monitor.js";

/** Types of upstream's events that no node of ours sends, and why. */
const missingTypes: Readonly<Record<Exclude<MessageTypeName, (typeof sentTypes)[number]>, string>> = {
  agent: "our agent sends no notifications; its log says what it does",
  capture: "our programs have no debug messages",
  debug: "our programs have no debug messages",
  l7: "layer 7 rules and their proxy are not there yet",
  recorder: "there is no recorder, upstream's ended with 1.18",
};

/**
 * Says so at once where somebody waits for events that cannot come, on a node of ours.
 * @throws AgentError `event-type-missing`
 */
export function refuseMissingTypes(types: readonly MessageTypeName[] = []): void {
  const missing = types.flatMap((type) =>
    type in missingTypes ? `${type}: ${missingTypes[type as keyof typeof missingTypes]}` : [],
  );
  if (missing.length === 0) return;
  throw new AgentError("event-type-missing", `no such events come from our nodes: ${missing.join("; ")}`, {
    hint: `Types that do are ${sentTypes.join(", ")}.`,
  });
}

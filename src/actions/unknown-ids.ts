import { identityScope } from "../model/identity.js";
import { fetchAgentEndpoints } from "../session/agent-client.js";
import { askAgents } from "./agent-sockets.js";
import type { Target } from "./open-target.js";

/** Numbers that a filter asks for. */
export interface WantedIds {
  readonly endpoints: readonly number[];
  readonly identities: readonly number[];
}

/**
 * What whoever waits for something of these ids should know: nobody has them now. It is no mistake, they may come; and where
 * it cannot be told, as with an agent that is down, nothing is said.
 */
export async function notesOnUnknownIds(target: Target, wanted: WantedIds): Promise<readonly string[]> {
  const [endpoints, identities] = await Promise.all([
    unknownEndpoints(target, wanted.endpoints),
    unknownIdentities(target, wanted.identities),
  ]);
  const found = [...endpoints.map((id) => `endpoint ${id}`), ...identities.map((id) => `identity ${id}`)];
  return found.map((what) => `${what} not found: nothing of it is shown until it is there`);
}

/** Id 0 is whatever is no endpoint. */
async function unknownEndpoints({ resolved }: Target, ids: readonly number[]): Promise<readonly number[]> {
  const asked = [...new Set(ids)].filter((id) => id !== 0);
  if (asked.length === 0) return [];
  const answers = await askAgents(resolved, fetchAgentEndpoints);
  if (answers.some(({ failure }) => failure !== undefined)) return [];
  const known = new Set(answers.flatMap(({ answer }) => (answer ?? []).map(({ id }) => id)));
  return asked.filter((id) => !known.has(id));
}

/** Only of the cluster's identities there is a list of all. */
async function unknownIdentities(target: Target, ids: readonly number[]): Promise<readonly number[]> {
  const asked = [...new Set(ids)].filter((id) => identityScope(id) === "cluster");
  if (asked.length === 0) return [];
  const names = await target.names();
  return names.missingReason === undefined ? asked.filter((id) => names.labelsOf(id) === undefined) : [];
}

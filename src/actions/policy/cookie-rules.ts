import { originKey } from "../../model/policy/rule-table.js";
import { fetchAgentCookies, isAgentFailure } from "../../session/agent-client.js";
import { agentSockets } from "../agent-sockets.js";
import type { Target } from "../open-target.js";
import { readPolicyWorld } from "./policy-world.js";

/**
 * The rules behind cookies, as the nodes' agents know them, and where one does not answer as the cluster's objects say: a
 * cookie comes from its rules' names, so all of them agree. What nobody knows is not there.
 */
export async function readCookieRules(target: Target): Promise<ReadonlyMap<number, readonly string[]>> {
  const answers = await Promise.all(agentSockets(target.resolved).map(({ path }) => askAgent(path)));
  const known = answers.flatMap((answer) => answer ?? []);
  const isWhole = answers.every((answer) => answer !== undefined);
  return new Map([...(isWhole ? [] : await compileCookies(target)), ...known]);
}

type CookieRules = readonly (readonly [number, readonly string[]])[];

async function askAgent(path: string): Promise<CookieRules | undefined> {
  try {
    return await fetchAgentCookies(path);
  } catch (error) {
    if (isAgentFailure(error)) return undefined;
    throw error;
  }
}

async function compileCookies({ state }: Target): Promise<CookieRules> {
  if (state === undefined) return [];
  const world = await readPolicyWorld(state, []);
  for (const endpoint of world.endpoints) world.compile(endpoint);
  return world.ruleTable.entries().map(([cookie, origins]) => [cookie, origins.map(originKey)]);
}

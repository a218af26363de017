import { originKey } from "../../model/policy/rule-table.js";
import { fetchAgentCookies } from "../../session/agent-client.js";
import { askAgents } from "../agent-sockets.js";
import type { Target } from "../open-target.js";
import { readPolicyWorld } from "./policy-world.js";

/**
 * The rules behind cookies, as the nodes' agents know them, and where one does not answer as the cluster's objects say: a
 * cookie comes from its rules' names, so all of them agree. What nobody knows is not there.
 */
export async function readCookieRules(target: Target): Promise<ReadonlyMap<number, readonly string[]>> {
  const answers = await askAgents(target.resolved, fetchAgentCookies);
  const known = answers.flatMap(({ answer }) => answer ?? []);
  const isWhole = answers.every(({ failure }) => failure === undefined);
  return new Map([...(isWhole ? [] : await compileCookies(target)), ...known]);
}

type CookieRules = readonly (readonly [number, readonly string[]])[];

async function compileCookies({ state }: Target): Promise<CookieRules> {
  if (state === undefined) return [];
  const world = await readPolicyWorld(state, []);
  for (const endpoint of world.endpoints) world.compile(endpoint);
  return world.ruleTable.entries().map(([cookie, origins]) => [cookie, origins.map(originKey)]);
}

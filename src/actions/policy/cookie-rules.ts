import type { MonitorEvent } from "../../model/monitor-event.js";
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

/** The rules behind the cookies of events, asked for when one comes that was not seen before. */
export class CookieRuleNames {
  readonly #target: Target;
  readonly #known = new Map<number, readonly string[] | undefined>();

  constructor(target: Target) {
    this.#target = target;
  }

  of(cookie: number | undefined): readonly string[] | undefined {
    return cookie === undefined ? undefined : this.#known.get(cookie);
  }

  /** An agent knows its cookies before its datapath does: what nobody knows by now nobody is asked about again. */
  async learn(events: readonly MonitorEvent[]): Promise<void> {
    const strange = events.flatMap(({ cookie }) => (cookie === undefined || this.#known.has(cookie) ? [] : [cookie]));
    if (strange.length === 0) return;
    for (const [cookie, rules] of await readCookieRules(this.#target)) this.#known.set(cookie, rules);
    for (const cookie of strange) if (!this.#known.has(cookie)) this.#known.set(cookie, undefined);
  }
}

type CookieRules = readonly (readonly [number, readonly string[]])[];

async function compileCookies({ state }: Target): Promise<CookieRules> {
  if (state === undefined) return [];
  const world = await readPolicyWorld(state, []);
  for (const endpoint of world.endpoints) world.compile(endpoint);
  return world.ruleTable.entries().map(([cookie, origins]) => [cookie, origins.map(originKey)]);
}

import { askUpstreamAgent } from "./upstream-agent.js";

/** Identity → its labels. */
export type IdentityLabels = ReadonlyMap<number, readonly string[]>;

/**
 * Identities as upstream's agent on the node knows them, those of CIDRs and remote nodes among them; empty where none
 * answers. @param root the node's root folder
 */
export async function agentIdentities(root: string, signal: AbortSignal): Promise<IdentityLabels> {
  return new Map(identitiesIn(await askUpstreamAgent(root, "/v1/identity", signal)));
}

function identitiesIn(items: unknown): readonly (readonly [number, readonly string[]])[] {
  if (!Array.isArray(items)) return [];
  return items.flatMap((item: unknown): readonly (readonly [number, readonly string[]])[] => {
    if (typeof item !== "object" || item === null || !("id" in item) || !("labels" in item)) return [];
    const { id, labels } = item;
    if (typeof id !== "number" || !Array.isArray(labels)) return [];
    return [[id, labels.filter((label): label is string => typeof label === "string")]];
  });
}

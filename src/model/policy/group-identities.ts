import type { NumericIdentity } from "../identity.js";

/** Identities that the same rules are about. */
export interface IdentityGroup {
  /** Indexes of the rules, ascending. */
  readonly rules: readonly number[];
  readonly ids: readonly NumericIdentity[];
}

/** Identities that some rules are about together: those of one selector. */
export interface Selected {
  readonly ids: ReadonlySet<NumericIdentity>;
  /** Indexes of the rules, ascending. */
  readonly rules: readonly number[];
}

/**
 * Identities by the selectors that select them. Policies have few different sets of those, however many identities there are:
 * what follows from the rules is worked out once a group.
 */
export function groupIdentities(selected: readonly Selected[]): readonly IdentityGroup[] {
  // A group is a path of selectors; each selector takes the identities that it selects one step further.
  const groups: { readonly before: number; readonly selection: number; readonly ids: NumericIdentity[] }[] = [
    { before: 0, selection: -1, ids: [] },
  ];
  const groupOf = new Map<NumericIdentity, number>();
  selected.forEach(({ ids }, selection) => {
    const steps = new Map<number, number>();
    for (const id of ids) {
      const before = groupOf.get(id) ?? 0;
      let after = steps.get(before);
      if (after === undefined) {
        after = groups.push({ before, selection, ids: [] }) - 1;
        steps.set(before, after);
      }
      groupOf.set(id, after);
    }
  });
  for (const [id, group] of groupOf) groups[group]!.ids.push(id);
  return groups.flatMap(({ ids }, group) => {
    if (ids.length === 0) return [];
    const rules = new Set<number>();
    for (let at = group; at !== 0; at = groups[at]!.before) {
      for (const rule of selected[groups[at]!.selection]!.rules) rules.add(rule);
    }
    return [{ ids, rules: [...rules].sort((a, b) => a - b) }];
  });
}

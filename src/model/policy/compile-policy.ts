import { compileDirection } from "./compile-direction.js";
import type { CompiledPolicy, CompileOptions, DirectionPolicy, SubjectFacts } from "./compiled-policy.js";
import type { PolicyRule } from "./policy-rule.js";
import { matchesPolicySelector } from "./policy-selector.js";
import { originKey, RuleTable, sortOrigins } from "./rule-table.js";

/** The policy of one endpoint as the datapath needs it (bpf/lib/policy.h): pure, and the same for rules in any order. */
export function compilePolicy(options: CompileOptions): CompiledPolicy {
  const { subject, mode } = options;
  const ruleTable = options.ruleTable ?? new RuleTable();
  const rules = mode === "never" ? [] : rulesOfSubject(options.rules, subject);
  // What has no labels yet may turn out to be anything.
  const isAlways = mode === "always" || (mode === "default" && isReserved(subject, "init"));
  const allowsLocalHost = (options.allowsLocalHost ?? true) && subject.kind === "endpoint";
  const directions = (["ingress", "egress"] as const).map((direction) => {
    const own = rules.filter((rule) => rule.direction === direction);
    const policy = directionPolicy(own, isAlways);
    const implied = policy.hasDefaultDeny
      ? allowsLocalHost && direction === "ingress"
        ? "local-host"
        : "none"
      : "all";
    const entries = compileDirection({ ...options, ruleTable, direction, rules: own, implied });
    return { policy, entries };
  });
  const [ingress, egress] = directions as [(typeof directions)[0], (typeof directions)[0]];
  return {
    entries: [...ingress.entries, ...egress.entries],
    ingress: ingress.policy,
    egress: egress.policy,
    ruleTable,
  };
}

/** In an order of their own, whatever the order that they came in. */
function rulesOfSubject(rules: readonly PolicyRule[], subject: SubjectFacts): readonly PolicyRule[] {
  // The rules of a policy share their selector, and follow each other.
  let last: { readonly selector: unknown; readonly isSelected: boolean } | undefined;
  const isAbout = ({ subject: { kind, selector } }: PolicyRule) => {
    if (kind !== subject.kind) return false;
    if (last?.selector !== selector) {
      last = { selector, isSelected: matchesPolicySelector(selector, subject.labels) };
    }
    return last.isSelected;
  };
  const keyed = rules.filter(isAbout).map((rule) => ({ rule, key: originKey(rule.origin) }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0)).map(({ rule }) => rule);
}

function directionPolicy(rules: readonly PolicyRule[], isAlways: boolean): DirectionPolicy {
  const denying = rules.filter((rule) => rule.hasDefaultDeny);
  return {
    isEnforced: isAlways || rules.length > 0,
    hasDefaultDeny: isAlways || denying.length > 0,
    defaultDenyBy: sortOrigins(denying.map((rule) => rule.origin)),
  };
}

function isReserved(subject: SubjectFacts, name: string): boolean {
  return subject.labels.some(({ source, key }) => source === "reserved" && key === name);
}

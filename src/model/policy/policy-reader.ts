import type { PolicyProblem } from "./policy-rule.js";

export type Fields = Readonly<Record<string, unknown>>;

/**
 * Reads what somebody wrote down and nobody has checked: wrong shapes become problems with the path to them, and the value is
 * left out. An absent or null value is never a problem here.
 */
export class PolicyReader {
  readonly problems: PolicyProblem[] = [];

  report(path: string, reason: string): undefined {
    this.problems.push({ path, reason });
    return undefined;
  }

  fields(value: unknown, path: string): Fields | undefined {
    if (value === undefined || value === null) return undefined;
    if (typeof value === "object" && !Array.isArray(value)) return value as Fields;
    return this.report(path, "must be an object");
  }

  /** Undefined for an absent list and for what is none; an empty one stays empty. */
  list(value: unknown, path: string): readonly unknown[] | undefined {
    if (value === undefined || value === null) return undefined;
    return Array.isArray(value) ? value : this.report(path, "must be a list");
  }

  text(value: unknown, path: string): string | undefined {
    if (value === undefined || value === null) return undefined;
    return typeof value === "string" ? value : this.report(path, "must be text");
  }

  boolean(value: unknown, path: string): boolean | undefined {
    if (value === undefined || value === null) return undefined;
    return typeof value === "boolean" ? value : this.report(path, "must be true or false");
  }

  /** What `read` makes of the items, without those of which it makes nothing. */
  items<T>(
    items: readonly unknown[],
    path: string,
    read: (item: unknown, path: string) => T | undefined,
  ): readonly T[] {
    const results = items.map((item, index) => read(item, `${path}[${index}]`));
    return results.filter((item) => item !== undefined);
  }

  /**
   * True when `fields` has nothing but the `known` ones. Others are reported: `refused` says why of those that upstream has.
   * Empty ones of those say nothing and are let through.
   */
  hasOnly(
    fields: Fields,
    path: string,
    known: readonly string[],
    refused: Readonly<Record<string, string>> = {},
  ): boolean {
    const others = Object.keys(fields).filter((name) => !known.includes(name) && !isEmpty(fields[name]));
    for (const name of others) {
      const reason = Object.hasOwn(refused, name) ? refused[name]! : "is no field that policies have";
      this.report(`${path}.${name}`, reason);
    }
    return others.length === 0;
  }
}

/** A word or number as it is written; empty for anything else, which may not even have a text. */
export function wordOf(value: unknown): string {
  return typeof value === "string" || typeof value === "number" ? String(value) : "";
}

function isEmpty(value: unknown): boolean {
  if (value === undefined || value === null || value === "") return true;
  if (Array.isArray(value)) return value.length === 0;
  return typeof value === "object" && Object.keys(value).length === 0;
}

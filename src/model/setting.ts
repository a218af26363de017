import { type IpFamily, IpPrefix } from "../lib/ip.js";
import { formatDurationMs, parseDurationMs } from "../lib/time.js";

/** One key of the agent's ConfigMap. Every value is text in the ConfigMap. */
export interface Setting<T> {
  /** Upstream's key. */
  readonly key: string;
  readonly description: string;
  readonly defaultValue: T;
  /** What `parse` takes, for messages and generated docs: `1024…16777216`, `true or false`. */
  readonly allowed: string;
  /** The value, or why the text is none. */
  readonly parse: (text: string) => ParsedSetting<T>;
  /** The text that `parse` gives `value` for. */
  readonly format: (value: T) => string;
}

export type ParsedSetting<T> = { readonly value: T } | { readonly problem: string };

interface SettingWords<T> {
  readonly description: string;
  readonly defaultValue: T;
}

export function booleanSetting(key: string, words: SettingWords<boolean>): Setting<boolean> {
  return {
    key,
    ...words,
    allowed: "true or false",
    parse: (text) => {
      if (text === "true" || text === "false") return { value: text === "true" };
      return { problem: `takes true or false, not "${text}"` };
    },
    format: String,
  };
}

/** A whole number. `zeroMeans` lets 0 pass below `min`, as upstream's "0 = decide yourself" does. */
export function numberSetting(
  key: string,
  words: SettingWords<number> & { readonly min: number; readonly max: number; readonly zeroMeans?: string },
): Setting<number> {
  const { min, max, zeroMeans, ...rest } = words;
  const allowed = `${zeroMeans === undefined ? "" : `0 (${zeroMeans}) or `}${min}…${max}`;
  return {
    key,
    ...rest,
    allowed,
    parse: (text) => {
      const value = Number(text);
      const isInside = (value >= min && value <= max) || (value === 0 && zeroMeans !== undefined);
      return /^\d+$/.test(text) && isInside ? { value } : { problem: `takes a number, ${allowed}, not "${text}"` };
    },
    format: String,
  };
}

/** A share of a whole. */
export function ratioSetting(key: string, words: SettingWords<number> & { readonly max: number }): Setting<number> {
  const { max, ...rest } = words;
  const allowed = `0…${max}`;
  return {
    key,
    ...rest,
    allowed,
    parse: (text) => {
      const isInside = /^\d*\.?\d+$/.test(text) && Number(text) <= max;
      return isInside ? { value: Number(text) } : { problem: `takes a number, ${allowed}, not "${text}"` };
    },
    format: String,
  };
}

/** Go's duration syntax in the ConfigMap, seconds in the configuration. */
export function secondsSetting(
  key: string,
  words: SettingWords<number> & { readonly min: number; readonly max: number },
): Setting<number> {
  const { min, max, ...rest } = words;
  const allowed = `a duration, ${formatDurationMs(min * 1000)}…${formatDurationMs(max * 1000)}`;
  return {
    key,
    ...rest,
    allowed,
    parse: (text) => {
      const durationMs = parseDurationMs(text);
      const problem = { problem: `takes ${allowed}, not "${text}"` };
      if (durationMs === undefined) return problem;
      const value = Math.round(durationMs / 1000);
      return value >= min && value <= max ? { value } : problem;
    },
    format: (value) => formatDurationMs(value * 1000),
  };
}

/** One of a few words. `later` holds upstream's other words: known, refused by name. */
export function choiceSetting<const T extends string>(
  key: string,
  words: { readonly description: string; readonly defaultValue: NoInfer<T>; readonly choices: readonly T[] } & {
    readonly later?: readonly string[];
  },
): Setting<T> {
  const { choices, later = [], ...rest } = words;
  const allowed = choices.map((choice) => choice || '""').join(", ");
  return {
    key,
    ...rest,
    allowed,
    parse: (text) => {
      const value = choices.find((choice) => choice === text);
      if (value !== undefined) return { value };
      if (later.includes(text)) return { problem: `"${text}" is not supported by this version; it takes ${allowed}` };
      return { problem: `takes ${allowed}, not "${text}"` };
    },
    format: String,
  };
}

/** Text of a given form. */
export function textSetting(
  key: string,
  words: SettingWords<string> & { readonly pattern: RegExp; readonly allowed: string },
): Setting<string> {
  const { pattern, ...rest } = words;
  return {
    key,
    ...rest,
    parse: (text) => (pattern.test(text) ? { value: text } : { problem: `takes ${words.allowed}, not "${text}"` }),
    format: String,
  };
}

/** An address prefix of one family, or none. */
export function prefixSetting(
  key: string,
  family: IpFamily,
  words: { readonly description: string },
): Setting<IpPrefix | undefined> {
  const allowed = `nothing or an IPv${family} prefix`;
  return {
    key,
    ...words,
    defaultValue: undefined,
    allowed,
    parse: (text) => {
      if (text === "") return { value: undefined };
      const prefix = IpPrefix.tryParse(text);
      const isOne = prefix?.address.family === family && text.includes("/");
      return isOne ? { value: prefix } : { problem: `takes ${allowed}, not "${text}"` };
    },
    format: (value) => value?.text ?? "",
  };
}

export interface PortRange {
  readonly first: number;
  readonly last: number;
}

/** `first,last`, the last one at most `max`. */
export function portRangeSetting(
  key: string,
  words: SettingWords<PortRange> & { readonly max: number },
): Setting<PortRange> {
  const { max, ...rest } = words;
  const allowed = `two ports up to ${max}, the lower one first, with a comma between`;
  return {
    key,
    ...rest,
    allowed,
    parse: (text) => {
      const [, first = 0, last = 0] = (/^(\d{1,5}),(\d{1,5})$/.exec(text) ?? []).map(Number);
      const isRange = first > 0 && first < last && last <= max;
      return isRange ? { value: { first, last } } : { problem: `takes ${allowed}, not "${text}"` };
    },
    format: ({ first, last }) => `${first},${last}`,
  };
}

/** One of a few numbers. */
export function numberChoiceSetting(
  key: string,
  words: SettingWords<number> & { readonly choices: readonly number[] },
): Setting<number> {
  const { choices, ...rest } = words;
  const allowed = choices.map((choice) => choice || '""').join(", ");
  return {
    key,
    ...rest,
    allowed,
    parse: (text) => {
      const value = choices.find((choice) => String(choice) === text);
      return value === undefined ? { problem: `takes ${allowed}, not "${text}"` } : { value };
    },
    format: String,
  };
}

/** Address prefixes separated by commas; none by default. */
export function prefixListSetting(key: string, words: { readonly description: string }): Setting<readonly IpPrefix[]> {
  const allowed = "address prefixes separated by commas";
  return {
    key,
    ...words,
    defaultValue: [],
    allowed,
    parse: (text) => {
      const prefixes = text.split(",").flatMap((word) => (word.trim() === "" ? [] : [IpPrefix.tryParse(word.trim())]));
      const value = prefixes.filter((prefix) => prefix !== undefined);
      return value.length === prefixes.length ? { value } : { problem: `takes ${allowed}, not "${text}"` };
    },
    format: (value) => value.join(","),
  };
}

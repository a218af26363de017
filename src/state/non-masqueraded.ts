import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { IpPrefix } from "../lib/ip.js";

/** Upstream's list without a file (pkg/ipmasq): what no router of the internet knows. */
const DEFAULT_PREFIXES = [
  "10.0.0.0/8",
  "172.16.0.0/12",
  "192.168.0.0/16",
  "100.64.0.0/10",
  "192.0.0.0/24",
  "192.0.2.0/24",
  "192.88.99.0/24",
  "198.18.0.0/15",
  "198.51.100.0/24",
  "203.0.113.0/24",
  "240.0.0.0/4",
];
const LINK_LOCAL = { masqLinkLocal: "169.254.0.0/16", masqLinkLocalIPv6: "fe80::/10" } as const;

/** What the file of upstream's ip-masq-agent says. */
export interface NonMasqueraded {
  readonly prefixes: readonly IpPrefix[];
  /** What is wrong with the file, one sentence each; what can be read of it holds. */
  readonly problems: readonly string[];
}

/** The prefixes that pods reach under their own addresses. @param text of the ip-masq-agent's file, undefined without one */
export function parseNonMasqueraded(text: string | undefined): NonMasqueraded {
  if (text === undefined) {
    const all = [...DEFAULT_PREFIXES, ...Object.values(LINK_LOCAL)];
    return { prefixes: all.map((prefix) => IpPrefix.parse(prefix)), problems: [] };
  }
  const problems: string[] = [];
  const file = readObject(text, problems);
  const listed = Array.isArray(file.nonMasqueradeCIDRs) ? (file.nonMasqueradeCIDRs as readonly unknown[]) : [];
  if (
    file.nonMasqueradeCIDRs !== undefined &&
    file.nonMasqueradeCIDRs !== null &&
    !Array.isArray(file.nonMasqueradeCIDRs)
  )
    problems.push("nonMasqueradeCIDRs is no list");
  const linkLocal = Object.entries(LINK_LOCAL).flatMap(([key, prefix]) => (file[key] === true ? [] : [prefix]));
  const prefixes = [...listed, ...linkLocal].flatMap((item) => {
    const prefix = typeof item === "string" ? IpPrefix.tryParse(item) : undefined;
    if (prefix === undefined) problems.push(`nonMasqueradeCIDRs: ${JSON.stringify(item)} is no prefix`);
    return prefix ?? [];
  });
  const unique = new Map(prefixes.map((prefix) => [prefix.text, prefix]));
  return { prefixes: [...unique.values()], problems };
}

function readObject(text: string, problems: string[]): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = parse(text);
    if (value === null) return {};
    if (typeof value === "object" && !Array.isArray(value)) return value as Readonly<Record<string, unknown>>;
    problems.push("it holds no object");
  } catch (error) {
    problems.push(`it is no YAML: ${error instanceof Error ? error.message.split("\n")[0] : String(error)}`);
  }
  return {};
}

/** As {@link parseNonMasqueraded}, of a file that may be missing. @throws what the file system says */
export async function readNonMasqueraded(path: string): Promise<NonMasqueraded> {
  const text = await readFile(path, "utf8").catch((error: NodeJS.ErrnoException) => {
    if (error.code === "ENOENT") return undefined;
    throw error;
  });
  return parseNonMasqueraded(text);
}

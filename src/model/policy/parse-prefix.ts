import { UsageError } from "../../lib/errors.js";
import { IpPrefix } from "../../lib/ip.js";
import type { PolicyReader } from "./policy-reader.js";
import type { CidrPeer } from "./policy-rule.js";

/** A prefix, or a whole address where `takesAddress`. */
export function parsePrefix(
  reader: PolicyReader,
  value: unknown,
  path: string,
  takesAddress = false,
): IpPrefix | undefined {
  if (typeof value !== "string" || !(takesAddress || value.includes("/"))) {
    return reader.report(path, `${JSON.stringify(value)} is no address prefix`);
  }
  try {
    return IpPrefix.parse(value);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    return reader.report(path, error.message);
  }
}

/**
 * A prefix with exceptions, each of which must be inside it. One that is wrong leaves out the whole: without it, more would be
 * meant.
 */
export function parsePrefixWithExceptions(
  reader: PolicyReader,
  value: { readonly cidr: unknown; readonly except: unknown },
  path: string,
): CidrPeer | undefined {
  const prefix = parsePrefix(reader, value.cidr, `${path}.cidr`);
  const problems = reader.problems.length;
  const list = reader.list(value.except, `${path}.except`) ?? [];
  const except = reader.items(list, `${path}.except`, (item, at) => {
    const excepted = parsePrefix(reader, item, at);
    if (excepted === undefined || prefix === undefined || prefix.covers(excepted)) return excepted;
    return reader.report(at, `${excepted} is not inside ${prefix}`);
  });
  if (prefix === undefined || reader.problems.length > problems) return undefined;
  return { kind: "cidr", prefix, except };
}

import type { JsonObject } from "../../../lib/json-value.js";
import { isReleaseSince, type UpstreamRelease } from "../../../model/upstream-release.js";

/** Up to 1.19, which is built with Go 1.25 at most; 1.26 put the fields into another order. */
const oldOrder: readonly string[] =
  "Scheme Opaque User Host Path RawPath OmitHost ForceQuery RawQuery Fragment RawFragment".split(" ");

/** Go's `net/url.URL`, parsed from its text, as `encoding/json` prints it. */
export function goUrlJson(text: string, release: UpstreamRelease): JsonObject {
  const [beforeFragment, fragment] = cut(text, "#");
  const [beforeQuery, query] = cut(beforeFragment, "?");
  const [, scheme = "", rest = beforeQuery] = /^([A-Za-z][A-Za-z0-9+.-]*):(.*)$/s.exec(beforeQuery) ?? [];
  const isOpaque = scheme !== "" && !rest.startsWith("/");
  const [, authority, path = ""] = /^\/\/([^/]*)(.*)$/s.exec(rest) ?? [undefined, undefined, isOpaque ? "" : rest];
  const userEnd = authority?.lastIndexOf("@") ?? -1;
  const url = {
    Scheme: scheme.toLowerCase(),
    Opaque: isOpaque ? rest : "",
    User: userEnd < 0 ? null : {},
    Host: authority?.slice(userEnd + 1) ?? "",
    Path: unescapeGo(path),
    Fragment: unescapeGo(fragment ?? ""),
    RawQuery: query ?? "",
    RawPath: hint(path, pathSafe),
    RawFragment: hint(fragment ?? "", fragmentSafe),
    ForceQuery: query === "",
    OmitHost: scheme !== "" && authority === undefined && rest.startsWith("/"),
  };
  if (isReleaseSince(release, "1.20")) return url;
  return Object.fromEntries(oldOrder.map((name) => [name, url[name as keyof typeof url]]));
}

/** Before and behind the first separator; without one, nothing is behind it. */
function cut(text: string, separator: string): readonly [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** What Go leaves alone when it escapes a path and a fragment. */
const pathSafe = /[A-Za-z0-9\-_.~$&+,/:;=@]/;
const fragmentSafe = /[A-Za-z0-9\-_.~$&+,/:;=?@!()*]/;

/** The escaped form, where Go itself would escape otherwise. */
function hint(escaped: string, safe: RegExp): string {
  const standard = [...Buffer.from(unescapeGo(escaped), "utf8")].map((byte) => {
    const char = String.fromCharCode(byte);
    return safe.test(char) ? char : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
  });
  return escaped === "*" || standard.join("") === escaped ? "" : escaped;
}

function unescapeGo(text: string): string {
  const bytes: number[] = [];
  for (const [part, hex] of text.matchAll(/%([0-9A-Fa-f]{2})|[^%]+|%/g)) {
    if (hex === undefined) bytes.push(...Buffer.from(part, "utf8"));
    else bytes.push(Number.parseInt(hex, 16));
  }
  return Buffer.from(bytes).toString("utf8");
}

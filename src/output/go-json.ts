import type { GoJsonValue } from "../lib/json-value.js";

/**
 * JSON as Go's `encoding/json` writes it with an indent of two blanks: object keys of maps sorted by their bytes (callers
 * sort), `<`, `>`, `&` and the two line separators escaped, empty arrays and objects on one line.
 */
export function goJson(value: GoJsonValue, indent = ""): string {
  return escapeGo(stringify(value).replaceAll("\n", `\n${indent}`));
}

/** Stands in front of the digits of an integer on its way through `JSON.stringify`, which knows none of 64 bits. */
const bigintMark = "\ufdd0";

function stringify(value: GoJsonValue): string {
  let hasBigints = false;
  const json = JSON.stringify(
    value,
    (_, child: unknown) => {
      if (typeof child !== "bigint") return child;
      hasBigints = true;
      return `${bigintMark}${child}`;
    },
    2,
  );
  return hasBigints ? json.replace(/"\ufdd0(-?\d+)"/g, "$1") : json;
}

/** The characters that Go escapes so that JSON may stand in HTML. They occur in strings only, so the text can be replaced as a whole. */
export function escapeGo(json: string): string {
  return /[<>&\u2028\u2029]/.test(json)
    ? json.replace(/[<>&\u2028\u2029]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`)
    : json;
}

/** Byte order of UTF-8, in which Go sorts map keys. */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const [left, right] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (left !== right) return utf8Rank(left) - utf8Rank(right);
  }
  return a.length - b.length;
}

/** Surrogates stand for what UTF-8 writes behind all others. */
function utf8Rank(code: number): number {
  return code >= 0xd800 && code < 0xe000 ? code + 0x2800 : code;
}

import { describe, expect, it } from "vitest";
import { escapeGo, goJson } from "../../src/output/go-json.js";
import { alignTabs } from "../../src/output/tabwriter.js";

describe("Go's tabwriter", () => {
  const align = (...lines: string[]): string => alignTabs(lines, { minWidth: 5, padding: 3 });

  it("pads every cell that a tab ends, also the last one of a line", () => {
    expect(align("A\tB", "long cell\tx\t", "s\tyy\t")).toBe("A           B\nlong cell   x    \ns           yy   \n");
  });

  it("aligns a column only over lines that follow each other", () => {
    expect(align("aaaaaaaaaa\tb", "no tab here", "c\td")).toBe("aaaaaaaaaa   b\nno tab here\nc    d\n");
  });

  it("keeps the least width, and counts characters instead of bytes", () => {
    expect(align("é\tx", "äöü\ty")).toBe("é     x\näöü   y\n");
  });

  it("aligns inner columns within the run of the outer one", () => {
    expect(align("a\tb\tc", "a\tlonger\tc", "a\tend", "a\tz\tc")).toBe(
      "a    b        c\na    longer   c\na    end\na    z    c\n",
    );
  });

  it("prints nothing for nothing", () => {
    expect(align()).toBe("");
  });
});

describe("Go's JSON", () => {
  it("escapes what could end a script element, and the two line separators", () => {
    expect(goJson({ a: "<b>&\u2028" })).toBe('{\n  "a": "\\u003cb\\u003e\\u0026\\u2028"\n}');
    expect(escapeGo('"plain"')).toBe('"plain"');
  });
});

import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { TextBuffer, textPiece } from "../../src/output/text-buffer.js";

function written(write: (out: TextBuffer) => void): string {
  const out = new TextBuffer();
  write(out);
  return out.take().toString();
}

describe("text buffer", () => {
  it("writes texts of any length and alphabet one behind the other", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "grapheme", maxLength: 120 })), (texts) => {
        const out = new TextBuffer();
        for (const text of texts) out.text(text);
        expect(out.take().toString()).toBe(texts.join(""));
        for (const text of texts) out.piece(textPiece(text));
        expect(out.take().toString()).toBe(texts.join(""));
      }),
    );
  });

  it("keeps bytes that would be no number if eight of them were read as one", () => {
    const text = "\u007f😀\u007f\u007f\udc00\u00ff\u007f\u{10ffff}\u007f";
    for (let shift = 0; shift < 16; shift++) {
      const moved = "x".repeat(shift) + text;
      expect(written((out) => out.piece(textPiece(moved)))).toBe(Buffer.from(moved).toString());
      const from = new TextBuffer();
      from.text(moved);
      expect(written((out) => out.copy(from, shift, from.lengthBytes))).toBe(Buffer.from(text).toString());
    }
  });

  it.each([0, 7, 10, 99, 100, 65_535, 999_999_999, 1_000_000_000, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 53, -1, -70])(
    "number %s",
    (value) => {
      expect(written((out) => out.number(value))).toBe(String(value));
    },
  );

  it.each([0n, 12n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n + 1n, 2n ** 64n - 1n])("counter %s", (value) => {
    expect(written((out) => out.counter(value))).toBe(String(value));
    const json = value < 2n ** 53n ? String(value) : `"${value}"`;
    expect(written((out) => out.jsonCounter(value))).toBe(json);
  });

  it("grows beyond its first size, and begins anew once taken", () => {
    const out = new TextBuffer();
    const line = "0123456789 äöü\n";
    for (let i = 0; i < 50_000; i++) out.text(line);
    expect(out.take().toString()).toBe(line.repeat(50_000));
    out.blanks(3);
    out.number(5);
    expect(out.take().toString()).toBe("   5");
  });

  it.each(["ascii ", "äöü → ", "\ud800😀"])("takes no more memory for a long text of %j than its bytes", (unit) => {
    const text = unit.repeat(200_000);
    const out = new TextBuffer();
    out.text(text);
    const bytes = out.take();
    expect(bytes.toString()).toBe(Buffer.from(text).toString());
    expect(bytes.buffer.byteLength).toBeLessThan(1.01 * bytes.length);
  });

  it("shows control characters as ?, and nothing else", () => {
    const text = "a\u0000b\u001b[2J\nc\u007f\u009f ä→😀";
    expect(written((out) => out.printable(text))).toBe("a?b?[2J?c?? ä→😀");
  });

  it("copies a part of another one", () => {
    const from = new TextBuffer();
    from.text("0123456789");
    expect(
      written((out) => {
        out.text("x");
        out.copy(from, 3, 8);
        out.copy(from, 9, 9);
        out.copy(from, 9, 10);
        out.text("y");
      }),
    ).toBe("x345679y");
  });

  it("ends lines without blanks, and no line before", () => {
    expect(
      written((out) => {
        out.text("a  ");
        out.endLine();
        out.blanks(4);
        out.endLine();
      }),
    ).toBe("a\n\n");
  });
});

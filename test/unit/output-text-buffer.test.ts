import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { IpAddress } from "../../src/lib/ip.js";
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
    }
  });

  it.each([0, 7, 10, 99, 100, 65_535, 999_999_999, 1_000_000_000, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1, 2 ** 53, -1, -70])(
    "number %s",
    (value) => {
      expect(written((out) => out.number(value))).toBe(String(value));
    },
  );

  it.each([0n, 12n, 2n ** 32n, 2n ** 53n - 1n, 2n ** 53n, 2n ** 64n - 1n])("64-bit number %s in two words", (value) => {
    const [low, high] = [Number(value & 0xffff_ffffn), Number(value >> 32n)];
    expect(written((out) => out.u64(low, high))).toBe(String(value));
    const json = value < 2n ** 53n ? String(value) : `"${value}"`;
    expect(written((out) => out.jsonU64(low, high))).toBe(json);
  });

  it("a piece with a number behind it", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme" }), fc.integer({ min: -5, max: 2 ** 32 }), (text, value) => {
        expect(written((out) => out.labelled(textPiece(text), value))).toBe(`${text}${value}`);
      }),
    );
  });

  it("IPv4 addresses", () => {
    fc.assert(
      fc.property(fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }), (word) => {
        expect(written((out) => out.v4(word))).toBe(IpAddress.ofV4(word).text);
      }),
    );
  });

  it("is as wide as it has characters", () => {
    const out = new TextBuffer();
    for (const text of ["plain", "äöü", "long ä".repeat(20)]) out.printable(text);
    expect(out.width).toBe("plain".length + 3 + 120);
    out.clear();
    expect(out.width).toBe(0);
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

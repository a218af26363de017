import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadManifests } from "../../src/lab/load-manifests.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cts-t-manifests-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function load(text: string) {
  const notes: string[] = [];
  writeFileSync(join(folder, "a.yaml"), text);
  const objects = loadManifests([folder], { knownNodes: [], onNote: (line) => notes.push(line) });
  return { objects, notes };
}

describe("manifest files without an object", () => {
  test.each(["", "# only a comment\n", "---\n---\n"])("%j: refused instead of applied as nothing", (text) => {
    expect(() => load(text)).toThrow(expect.objectContaining({ code: "manifest-empty" }));
  });

  test("objects that have no effect in a lab are noted, and that is all", () => {
    const { objects, notes } = load("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n");
    expect(objects).toEqual([]);
    expect(notes).toEqual([expect.stringContaining("kind Secret has no effect in a lab")]);
  });

  test("no file at all is nobody's mistake: a lab needs none", () => {
    expect(loadManifests([], { knownNodes: [], onNote: () => undefined })).toEqual([]);
  });
});

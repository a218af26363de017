import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");

interface ManifestCommand {
  readonly flags: Readonly<Record<string, { readonly char?: string }>>;
}

const { commands } = JSON.parse(readFileSync(join(root, "oclif.manifest.json"), "utf8")) as {
  readonly commands: Readonly<Record<string, ManifestCommand>>;
};

/** Pages that people write; docs/commands is generated from the commands themselves. */
const pages = [
  "README.md",
  ...readdirSync(join(root, "docs"), { encoding: "utf8" }).map((name) => `docs/${name}`),
].filter((name) => name.endsWith(".md"));

/** Lines of a page's shell blocks that call the plugin, without what they call it with: comments, pipes, `-- COMMAND`. */
function callsOf(page: string): readonly string[] {
  const text = readFileSync(join(root, page), "utf8");
  return [...text.matchAll(/```(?:sh|console|bash)\n(.*?)```/gs)]
    .flatMap((block) => (block[1] ?? "").split("\n"))
    .map((line) => line.replace(/^\$ /, "").replace(/\s#.*$/, ""))
    .filter((line) => line.startsWith("kubectl cilium-ts "))
    .map((line) => (line.replace(/^kubectl cilium-ts /, "").split(/ -- | \| | > /)[0] ?? "").trim());
}

/** What is wrong with a call: no such command, no such flag. */
function faultOf(call: string): string | undefined {
  const words = call.split(/\s+/);
  if (words[0] === "--help") return undefined;
  const lengths = words.map((_, index) => words.length - index);
  const id = lengths.map((length) => words.slice(0, length).join(":")).find((name) => commands[name] !== undefined);
  if (id === undefined) return "no such command";
  const flags = commands[id]?.flags ?? {};
  const letters = Object.values(flags).map((flag) => flag.char);
  const isKnown = (word: string): boolean => {
    const name = word.slice(2).replace(/=.*/, "");
    if (word.startsWith("--")) return flags[name] !== undefined || flags[name.replace(/^no-/, "")] !== undefined;
    return !/^-[a-zA-Z]$/.test(word) || letters.includes(word[1]);
  };
  const unknown = words.filter((word) => !isKnown(word));
  return unknown.length === 0 ? undefined : `${id.replaceAll(":", " ")} does not know ${unknown.join(", ")}`;
}

describe("commands that the documentation shows", () => {
  const calls = pages.flatMap((page) => callsOf(page).map((call) => ({ page, call })));

  it("are there to be checked", () => {
    expect(calls.length).toBeGreaterThan(8);
  });

  it.each(calls)("$page: $call", ({ call }) => {
    expect(faultOf(call)).toBeUndefined();
  });

  it("would be told apart from ones that do not exist", () => {
    expect(faultOf("bpf ct lits")).toBe("no such command");
    expect(faultOf("bpf ct list --nonsense")).toContain("--nonsense");
    expect(faultOf("bpf ct list -Z")).toContain("-Z");
  });
});

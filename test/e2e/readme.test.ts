import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";

const root = join(import.meta.dirname, "../..");
const labName = "cts-t-readme";
const readme = readFileSync(join(root, "README.md"), "utf8");

/** The shell lines of the README's blocks, comments dropped. */
const blocks = [...readme.matchAll(/```sh\n(.*?)```/gs)].map((match) =>
  (match[1] ?? "")
    .split("\n")
    .map((line) => line.replace(/\s+#.*$/, "").trim())
    .filter((line) => line !== ""),
);

/** The tour is written for a machine with one lab; here it gets a lab of its own, whatever else runs. */
function onOwnLab(line: string): string {
  if (!line.startsWith("kubectl cilium-ts ")) return line;
  const own = line.startsWith("kubectl cilium-ts lab ") ? `--name ${labName}` : `--lab ${labName}`;
  return line.includes(" -- ") ? line.replace(" -- ", ` ${own} -- `) : `${line} ${own}`;
}

function runShell(line: string) {
  const env = { ...process.env, PATH: `${join(root, "bin")}:${process.env.PATH}`, NO_COLOR: "1" };
  return spawnSync("bash", ["-ec", line], { cwd: root, env, encoding: "utf8", timeout: 60_000 });
}

afterAll(() => {
  runShell(`kubectl-cilium_ts lab down --name ${labName}`);
});

describe("README.md", () => {
  it("begins with the two commands that package.json has", () => {
    expect(blocks[0]).toEqual(["npm run demo", "npm test"]);
    const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: object };
    expect(scripts).toHaveProperty("demo");
    expect(scripts).toHaveProperty("test");
  });

  const tour = blocks.find((lines) => lines.some((line) => line.includes("lab up"))) ?? [];
  it.each(tour)("%s", (line) => {
    const { status, stdout, stderr } = runShell(onOwnLab(line));
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
    if (!line.includes(" lab ")) expect(stdout).not.toBe("");
  });

  it("links to pages that exist", () => {
    const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)/g)].map((match) => match[1] as string);
    expect(links.length).toBeGreaterThan(5);
    const missing = links.filter((link) => !existsSync(join(root, link)));
    expect(missing).toEqual([]);
  });
});

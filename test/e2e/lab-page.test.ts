import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { LabClaim } from "../support/own-names.js";
import { cliPath, repositoryRoot, runCli } from "../support/run-cli.js";

const labName = `t${process.pid.toString(36)}-page`;
const claim = new LabClaim(labName);
const page = readFileSync(join(repositoryRoot, "docs/lab.md"), "utf8");
const folder = mkdtempSync(join(tmpdir(), "cts-lab-page-"));

afterAll(async () => {
  await runCli(["lab", "down", "--name", labName]);
  claim[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

function manifest(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

describe("docs/lab.md", () => {
  const lines = (/```sh\n(.*?)```/s.exec(page)?.[1] ?? "").split("\n").filter((line) => line !== "");

  it("shows a lab from up to down", () => {
    expect(lines).toHaveLength(4);
  });

  it.each(lines)("%s", (line) => {
    const [before = "", after] = line.replace("kubectl cilium-ts", cliPath).split(" -- ");
    const own = `${before} --name ${labName}${after === undefined ? "" : ` -- ${after}`}`;
    const { status, stdout, stderr } = spawnSync("bash", ["-ec", own], { cwd: repositoryRoot, encoding: "utf8" });
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout).not.toBe("");
  });
});

describe("lab up refuses", () => {
  it("to run without root, and says how", () => {
    const { status, stderr } = spawnSync(cliPath, ["lab", "up", "--name", labName], { encoding: "utf8", uid: 65_534 });
    expect(status).toBe(6);
    expect(stderr).toMatch(/needs root\nNext: sudo kubectl-cilium_ts lab/);
  });

  it("manifests with mistakes, all of them at once, and starts nothing", async () => {
    const path = manifest(
      "bad.yaml",
      "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec:\n  contaners: []\n---\napiVersion: v1\nkind: Pod\nmetadata: { name: b }\nspec:\n  containers:\n    - { name: x, image: nginx }\n",
    );
    const { exitCode, stderr } = await runCli(["lab", "up", "-f", path, "--name", labName]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(`${path}:5:3: unknown field spec.contaners in Pod default/a: did you mean containers?`);
    expect(stderr).toContain(`${path}:12:25: Pod default/b: container x has image "nginx" and no command`);
    const { stdout } = await runCli(["lab", "list", "-o", "name"]);
    expect(stdout.split("\n")).not.toContain(`lab/${labName}`);
  });

  it("manifests that cannot be read, and folders without any", async () => {
    const missing = await runCli(["lab", "up", "-f", join(folder, "none.yaml"), "--name", labName]);
    expect([missing.exitCode, missing.stderr]).toEqual([2, expect.stringContaining("none.yaml: ENOENT")]);
    const empty = mkdtempSync(join(folder, "empty-"));
    const none = await runCli(["lab", "up", "-f", empty, "--name", labName]);
    expect([none.exitCode, none.stderr]).toEqual([2, expect.stringContaining("holds no manifest")]);
  });

  it("a name that is none", async () => {
    const { exitCode, stderr } = await runCli(["lab", "up", "--name", "../etc"]);
    expect([exitCode, stderr]).toEqual([2, expect.stringContaining("is no name for a lab")]);
  });
});

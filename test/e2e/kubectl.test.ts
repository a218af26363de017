import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MapNode } from "../support/map-node.js";
import { cliPath, completionPath, runCli } from "../support/run-cli.js";

const hasKubectl = spawnSync("kubectl", ["version", "--client"]).status === 0;
let node: MapNode;
let folder: string;
let PATH: string;

beforeAll(async () => {
  if (!hasKubectl) throw new Error("these tests need kubectl on PATH");
  node = await MapNode.start();
  folder = mkdtempSync(join(tmpdir(), "cts-t-kubectl-"));
  // As npm installs them: links with the names that kubectl looks for.
  symlinkSync(cliPath, join(folder, "kubectl-cilium_ts"));
  symlinkSync(completionPath, join(folder, "kubectl_complete-cilium_ts"));
  PATH = `${folder}:${process.env.PATH}`;
});
afterAll(() => {
  node[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

const kubectl = (...args: readonly string[]) => runCli(args, { program: "kubectl", env: { PATH } });

describe("through the real kubectl", () => {
  test("kubectl cilium-ts --help", async () => {
    const { exitCode, stdout } = await kubectl("cilium-ts", "--help");
    expect(exitCode).toBe(0);
    expect(stdout).toContain("$ kubectl cilium-ts [COMMAND]");
  });

  test("exit codes pass through", async () => {
    const { exitCode } = await kubectl("cilium-ts", "bpf", "ct", "lst");
    expect(exitCode).toBe(2);
  });

  test("flags after the name are ours", async () => {
    const { exitCode, stdout } = await kubectl("cilium-ts", "node", "list", "--lab", node.lab, "-o", "json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({ kind: "NodeList", items: [] });
  });

  test("kubectl's own completion asks ours", async () => {
    const { stdout } = await kubectl("__complete", "cilium-ts", "bpf", "ct", "l");
    expect(stdout).toBe("list\tList connection tracking entries\n:4\n");
  });
});

describe("completion", () => {
  const complete = async (...words: readonly string[]) => {
    const { exitCode, stdout, stderr } = await runCli(words, { program: completionPath });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const lines = stdout.trimEnd().split("\n");
    expect(lines.pop()).toBe(":4");
    return lines.map((line) => line.split("\t")[0]);
  };

  test("first words", async () => {
    expect(await complete("")).toEqual(expect.arrayContaining(["bpf", "service", "status", "which"]));
    expect(await complete("st")).toEqual(["status"]);
  });

  test("flags and their values", async () => {
    expect(await complete("bpf", "ct", "list", "--so")).toEqual(["--sort-by"]);
    expect(await complete("bpf", "ct", "list", "--")).toContain("--service");
    expect(await complete("bpf", "ct", "list", "-o", "js")).toEqual(["json", "jsonl", "jsonpath="]);
    expect(await complete("bpf", "ct", "list", "--output=y")).toEqual(["--output=yaml"]);
    expect(await complete("bpf", "ct", "list", "--state", "")).toEqual(["new", "established", "closing", "closed"]);
  });

  test("hidden commands are not offered", async () => {
    expect(await complete("comp")).toEqual([]);
  });

  test("names of labs and nodes that exist now", async () => {
    expect(await complete("bpf", "ct", "list", "--lab", node.lab.slice(0, -1))).toContain(node.lab);
    expect(await complete("bpf", "ct", "list", "--lab", node.lab, "--node", "")).toEqual(["node-1"]);
  });

  test("what cannot be looked up is no failure", async () => {
    expect(await complete("bpf", "ct", "list", "--lab", "cts-t-none", "--node", "")).toEqual([]);
  });
});

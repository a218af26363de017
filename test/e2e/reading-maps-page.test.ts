import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { startCaptureNode } from "../support/capture-node.js";
import type { MapNode } from "../support/map-node.js";
import { cliPath, repositoryRoot } from "../support/run-cli.js";

const page = readFileSync(join(repositoryRoot, "docs/reading-maps.md"), "utf8");
const lines = [...page.matchAll(/```sh\n(.*?)```/gs)].flatMap(([, block = ""]) => block.trim().split("\n"));

let node: MapNode;
beforeAll(async () => {
  node = await startCaptureNode();
});
afterAll(() => node[Symbol.dispose]());

describe("docs/reading-maps.md, on the maps of a real upstream node", () => {
  it.each(lines)("%s", (line) => {
    const command = `${line.replace("kubectl cilium-ts", cliPath)} --lab ${node.lab}`;
    const { status, stdout, stderr } = spawnSync("bash", ["-ec", command], { cwd: repositoryRoot, encoding: "utf8" });
    expect({ status, stderr: status === 0 ? "" : stderr }).toEqual({ status: 0, stderr: "" });
    expect(stdout.split("\n").length).toBeGreaterThan(1);
  });
});

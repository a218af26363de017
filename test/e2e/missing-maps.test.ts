import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { MapNode } from "../support/map-node.js";
import { runCli } from "../support/run-cli.js";

let node: MapNode;
beforeAll(async () => {
  node = await MapNode.start();
});
afterAll(() => node[Symbol.dispose]());

const dumps: readonly (readonly [command: string, header: string])[] = [
  ["bpf lb list", "SERVICE ADDRESS   BACKEND ADDRESS (REVNAT_ID) (SLOT)"],
  ["bpf lb list --frontends", "SERVICE ADDRESS   BACKEND ID"],
  ["bpf lb list --backends", "ID   BACKEND ADDRESS (REVNAT_ID) (SLOT)"],
  ["bpf lb list --revnat", "ID   BACKEND ADDRESS (REVNAT_ID) (SLOT)"],
  ["bpf lb list --source-ranges", "SOURCE RANGE (REVNAT_ID)   "],
  ["bpf lb maglev list", "SVC ID   LOOKUP TABLE"],
  ["bpf socknat list", "Socket Cookie   Backend -> Frontend"],
];

describe("lists of the load balancer on a node without its maps", () => {
  test.each(dumps)("%s: empty in upstream's form, as its tool has it, an error in ours", async (command, header) => {
    const run = (output: string) =>
      runCli([...command.split(" "), "-o", output, "--lab", node.lab, "--release", "1.20"]);
    const [text, json, table] = await Promise.all([run("cilium"), run("cilium-json"), run("table")]);
    expect([text.exitCode, text.stdout]).toEqual([0, `${header}\n`]);
    expect([json.exitCode, json.stdout]).toEqual([0, "{}\n\n"]);
    expect([table.exitCode, table.stdout, table.stderr]).toEqual([6, "", expect.stringContaining("pinned")]);
  });
});

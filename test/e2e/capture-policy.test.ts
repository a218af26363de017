import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { FolderStateSource } from "../../src/state/folder-state-source.js";
import { startCaptureNode } from "../support/capture-node.js";
import type { MapNode } from "../support/map-node.js";
import { runCli } from "../support/run-cli.js";
import { readCapture } from "../unit/abi-capture-files.js";

let node: MapNode;
beforeAll(async () => {
  node = await startCaptureNode();
  await writeIdentities(node);
});
afterAll(() => node[Symbol.dispose]());

const run = (...args: readonly string[]) => runCli([...args, "--lab", node.lab]);

/** What upstream's agent knew, so that labels are those that its tool printed. */
async function writeIdentities({ stateDir }: MapNode): Promise<void> {
  await using state = await FolderStateSource.open(stateDir);
  const identities: readonly { readonly id: number; readonly labels: readonly string[] }[] = JSON.parse(
    readCapture("out/identity-list.json"),
  );
  for (const { id, labels } of identities) {
    const pairs = labels.map((label) => {
      const [key = "", ...value] = label.split("=");
      return [key, value.join("=")] as const;
    });
    await state.create(resourceTypes.ciliumIdentities, {
      apiVersion: "cilium.io/v2",
      kind: "CiliumIdentity",
      metadata: { name: String(id) },
      "security-labels": Object.fromEntries(pairs),
    });
  }
}

/** Counters went on changing between upstream's print and the capture of the bytes. */
function withoutCounters(text: string): readonly string[] {
  return text.split("\n").map((line) => line.trimEnd().replace(/ +(-|\d+) +(-|\d+)( +\d+ +\d+)$/, "$3"));
}

describe("the policy maps of a real upstream node", () => {
  test.each([
    ["with labels", [], "bpf-policy-get-all.txt"],
    ["in numbers", ["--numeric"], "bpf-policy-get-all-n.txt"],
  ])("%s: the lines of upstream's bpf policy get --all, in its order", async (_, flags, file) => {
    const { exitCode, stdout, stderr } = await run("bpf", "policy", "get", "--all", ...flags, "-o", "cilium");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    const theirs = node.captureOutput(file);
    expect(withoutCounters(stdout)).toEqual(withoutCounters(theirs));
    const ours = stdout.split("\n");
    const same = theirs.split("\n").filter((line, index) => line === ours[index]).length;
    expect(same / ours.length).toBeGreaterThan(0.8);
  });

  test("json: every entry of upstream's, and nearly all counters", async () => {
    const { stdout } = await run("bpf", "policy", "get", "--all", "-o", "cilium-json");
    const theirs = node.captureOutput("bpf-policy-get-all.json");
    const changing = /"(Packets|Bytes)": \d+/g;
    expect(stdout.replaceAll(changing, "$1")).toBe(theirs.replaceAll(changing, "$1"));
    const ours = stdout.split("\n");
    const same = theirs.split("\n").filter((line, index) => line === ours[index]).length;
    expect(same / ours.length).toBeGreaterThan(0.9);
    expect(stdout).toContain('"Packets": 18446744073709551615,');
  });

  test("one endpoint: its table alone", async () => {
    const { stdout } = await run("bpf", "policy", "get", "878", "--numeric", "-o", "cilium");
    expect(stdout.split("\n").map((line) => line.split(/ {2,}/).slice(0, 4).join(" "))).toEqual([
      "POLICY DIRECTION IDENTITY PORT/PROTO",
      "Allow Ingress 1 ANY",
      expect.stringMatching(/^Allow Ingress 1677\d+ 8080\/TCP$/),
      expect.stringMatching(/^Allow Ingress 1677\d+ 8080\/TCP$/),
      "Allow Egress 0 ANY",
      "",
    ]);
  });

  test("our own table has the counters of the map that they are in, and what has matched nothing yet", async () => {
    const { stdout } = await run("bpf", "policy", "list", "801", "-o", "json");
    const { items } = JSON.parse(stdout);
    expect(items).toMatchObject([
      { direction: "ingress", verdict: "allow", rulePriority: 0, listenerPriority: 0 },
      { direction: "egress", packets: 8, bytes: 600 },
    ]);
    expect(items[0].packets).toBeUndefined();
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { startCaptureNode } from "../support/capture-node.js";
import type { MapNode } from "../support/map-node.js";
import { repositoryRoot, runCli } from "../support/run-cli.js";

let node: MapNode;
beforeAll(async () => {
  node = await startCaptureNode();
});
afterAll(() => node?.[Symbol.dispose]());

/** What commands that need to be told something are told; all others run bare. */
const argumentsOf: Readonly<Record<string, readonly string[]>> = {
  "bpf ipcache get": ["10.245.0.133"],
};

/** Every command that reads the kernel, as the binary itself lists them. */
const commands: readonly string[] = Object.keys(
  JSON.parse(readFileSync(join(repositoryRoot, "oclif.manifest.json"), "utf8")).commands,
)
  .map((id) => id.replaceAll(":", " "))
  .filter((id) => id.startsWith("bpf ") || ["service list", "status"].includes(id))
  .sort();

/** Every entry of every pinned map, and what the kernel says of the maps themselves. */
function snapshot(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    node.pinNames().map((name) => {
      using map = BpfMap.openPinned(node.pinPath(name), { readOnly: true });
      const entries: string[] = [];
      for (let key = map.nextKey(); key !== undefined; key = map.nextKey(key)) {
        entries.push(`${key.toString("hex")}=${map.lookup(key)?.toString("hex")}`);
      }
      return [name, `${JSON.stringify(map.info)}\n${entries.sort().join("\n")}`];
    }),
  );
}

describe("commands that read change nothing", () => {
  test.each(commands)("%s", async (command) => {
    const before = snapshot();
    const { exitCode, stderr } = await runCli([
      ...command.split(" "),
      ...(argumentsOf[command] ?? []),
      ...["--lab", node.lab],
    ]);
    // Misuse would prove nothing. What a node of maps alone cannot answer is refused with 3 to 7.
    expect({ exitCode, stderr }).not.toMatchObject({ exitCode: 2 });
    expect(exitCode).not.toBe(70);
    expect(snapshot()).toEqual(before);
  });
});

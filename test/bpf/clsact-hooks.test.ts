import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ownPrefix } from "../support/own-names.js";

const netns = `${ownPrefix}-clsact`;
const child = fileURLToPath(new URL("children/clsact-killed-twice.ts", import.meta.url));
const inNetns = (...command: readonly string[]): string =>
  execFileSync("ip", ["netns", "exec", netns, ...command], { encoding: "utf8" });

beforeEach(() => {
  execFileSync("ip", ["netns", "add", netns]);
  inNetns("ip", "link", "add", "left", "type", "veth", "peer", "name", "right");
});
afterEach(() => {
  execFileSync("ip", ["netns", "del", netns]);
});

it("knows its own filter again, wherever two agents in a row were killed", () => {
  const report: unknown = JSON.parse(inNetns(process.execPath, "--import", "tsx", child));
  expect(report).toEqual({ failures: [], left: 0 });
});

import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";
import { ownPrefix } from "../support/own-names.js";
import { requireKernelFeature } from "../support/skip.js";
import { TestFolder } from "../support/test-folder.js";

const netns = `${ownPrefix}-links`;
const child = fileURLToPath(new URL("children/link-set-replaced.ts", import.meta.url));
const inNetns = (...command: readonly string[]): string =>
  execFileSync("ip", ["netns", "exec", netns, ...command], { encoding: "utf8" });

let folder: TestFolder;

beforeEach(() => {
  folder = new TestFolder();
  mkdirSync(join(folder.bpffs, "links"));
  execFileSync("ip", ["netns", "add", netns]);
  inNetns("ip", "link", "add", "left", "type", "veth", "peer", "name", "right");
});
afterEach(() => {
  execFileSync("ip", ["netns", "del", netns]);
  folder[Symbol.dispose]();
});

const run = (name: string): unknown =>
  JSON.parse(inNetns(process.execPath, "--import", "tsx", child, name, join(folder.bpffs, "links")));

it("the old device keeps its program until the new one has its own, wherever the agent is killed", (context) => {
  requireKernelFeature(context, "tcx");
  expect(run("killed")).toEqual({ failures: [], left: [] });
});

it("a replacement that was pinned but not yet named is finished, or undone, as the next start wants it", (context) => {
  requireKernelFeature(context, "tcx");
  const name = "lxc_1_ingress";
  expect(run("halfReplaced")).toEqual({
    right: { pins: 2, programs: { left: 0, right: 1 }, after: [name], records: [name] },
    left: { pins: 2, programs: { left: 1, right: 0 }, after: [name], records: [name] },
    nothing: { pins: 2, programs: { left: 0, right: 0 }, after: [], records: [] },
  });
});

it("a device that comes back under another index gets the programs again, and the dead link's pin goes", (context) => {
  requireKernelFeature(context, "tcx");
  expect(run("deviceGone")).toEqual({ isDead: true, isAttached: true, pins: ["lxc_1_ingress"] });
});

it("a status that is read while links go and come finds no foreign ones", (context) => {
  requireKernelFeature(context, "tcx");
  expect(run("listedMeanwhile")).toEqual({ failures: [], left: [] });
});

it("two names are attached side by side, and a foreign pin is refused", (context) => {
  requireKernelFeature(context, "tcx");
  expect(run("foreign")).toEqual({ names: ["lxc_1_egress", "lxc_1_ingress"], refused: "foreign-link" });
});

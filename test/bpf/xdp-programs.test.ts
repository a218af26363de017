import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { LinkSet } from "../../src/datapath/link-set.js";
import { Ownership } from "../../src/datapath/ownership.js";
import { XdpPrograms } from "../../src/datapath/xdp-programs.js";
import { BpfLink } from "../../src/kernel/bpf-link.js";
import { interfaceIndex } from "../../src/kernel/net.js";
import type { Acceleration } from "../../src/model/agent-config.js";
import { TestFolder } from "../support/test-folder.js";
import { DatapathHarness } from "./harness.js";

const device = `ctsxc${process.pid}`;
let datapath: DatapathHarness;
let folder: TestFolder;

beforeAll(() => {
  datapath = new DatapathHarness();
  folder = new TestFolder();
  mkdirSync(join(folder.bpffs, "links"));
  execFileSync("ip", ["link", "add", device, "type", "veth", "peer", "name", `${device}p`]);
});
afterAll(() => {
  execFileSync("ip", ["link", "del", device]);
  folder?.[Symbol.dispose]();
  datapath?.[Symbol.dispose]();
});
beforeEach(() => datapath.reset());

const devices = () => [{ name: device, ifindex: interfaceIndex(device)! }];
const shown = (): string => execFileSync("ip", ["link", "show", device], { encoding: "utf8" });

function programs(acceleration: Acceleration): XdpPrograms {
  const ownership = new Ownership(datapath.get("cts_owner"), "11111111-2222-4333-8444-555555555555");
  const links = new LinkSet({ folder: join(folder.bpffs, "links"), ownership });
  return new XdpPrograms({ links, program: datapath.programs.xdp, acceleration });
}

it("changes its mode, and goes when it is switched off", async () => {
  for (const [acceleration, word] of [
    ["native", / xdp /],
    ["testing-only", / xdpgeneric /],
    ["best-effort", / xdp /],
  ] as const) {
    expect(await programs(acceleration).write(devices())).toEqual([]);
    expect(shown()).toMatch(word);
    expect([...(await programs(acceleration).attached())]).toEqual([interfaceIndex(device)]);
  }
  await programs("disabled").write(devices());
  expect(shown()).not.toMatch(/ xdp/);
});

it("leaves somebody else's program where it is, and names the device", async () => {
  using _foreign = BpfLink.attachXdp({ program: datapath.programs.xdp, ifindex: interfaceIndex(device)! });
  const [refusal] = await programs("native").write(devices());
  expect(refusal).toMatchObject({ device, reason: expect.stringContaining("Another XDP program is attached") });
  expect([...(await programs("native").attached())]).toEqual([]);
  await programs("disabled").write(devices());
  expect(shown()).toMatch(/ xdp /);
});

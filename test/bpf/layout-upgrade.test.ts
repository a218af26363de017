import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { MapSet } from "../../src/datapath/map-set.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import { compileBpf } from "../support/compile-bpf.js";
import { repositoryRoot } from "../support/run-cli.js";
import { requireKernelFeature } from "../support/skip.js";
import { TestFolder } from "../support/test-folder.js";
import { DatapathHarness, encodeHarnessConfig, objectsDir, pod, tc } from "./harness.js";
import { ipv4Packet, tcpFlag } from "./packet-builder.js";

const installId = "11111111-2222-4333-8444-555555555555";
const { client, server } = pod;
const maxEntries = new Map(
  ["cilium_ct4_global", "cilium_ct_any4_global", "cilium_snat_v4_external"].map((name) => [name, 1024] as const),
);

/** What another release had in `struct ct_entry`. */
const olderLayouts = [
  ["other fields and another size", "\t__u64 packets;\n", "\t__u64 gone;\n\t__u64 packets;\n"],
  [
    "the same fields in other places",
    "\t__u32 src_sec_id;\n\t__u32 last_tx_report;",
    "\t__u32 last_tx_report;\n\t__u32 src_sec_id;",
  ],
] as const;

/** Maps and the program of packets that pods send, compiled with the older layout. */
function compileOlder(root: string, now: string, before: string): string {
  const sources = join(root, "bpf");
  cpSync(join(repositoryRoot, "bpf/lib"), join(sources, "lib"), { recursive: true });
  const layouts = join(sources, "lib/layouts.h");
  const text = readFileSync(layouts, "utf8");
  expect(text).toContain(now);
  writeFileSync(layouts, text.replace(now, before));
  for (const name of ["maps.bpf.c", "from_container.bpf.c"]) {
    cpSync(join(repositoryRoot, "bpf", name), join(sources, name));
    compileBpf(join(sources, name), root);
  }
  return root;
}

/** The verdict of an older release's program over the maps of its own layout. */
function runOlder(objects: string, packet: Buffer): number {
  using maps = openMaps(objects);
  maps.takeLateEntries();
  using object = BpfObject.open(join(objects, "from_container.bpf.o"));
  object.setRodata(encodeHarnessConfig());
  for (const map of object.maps) if (!map.isInternal) object.reuseMap(map.name, maps.get(map.name));
  object.load();
  using program = object.program("cts_lxc_ingress");
  return program.testRun({ data: packet, context: Buffer.alloc(192) }).retval;
}

let folder: TestFolder;
beforeEach(() => {
  folder = new TestFolder();
});
afterEach(() => folder[Symbol.dispose]());

const openMaps = (objects: string): MapSet =>
  MapSet.open({ folder: folder.maps, objectPath: join(objects, "maps.bpf.o"), installId, maxEntries, adopt: false });
const newHarness = (maps: MapSet): DatapathHarness =>
  new DatapathHarness({}, 0n, new Map(maps.names.map((name) => [name, maps.get(name)] as const)));
const request = (tcpFlags: number): Buffer => ipv4Packet({ source: client.ip, destination: server.ip, tcpFlags });
const answer = (): Buffer =>
  ipv4Packet({ source: server.ip, destination: client.ip, sourcePort: 80, destinationPort: 40_000, tcpFlags: 0x10 });

describe("an upgrade", () => {
  it.for(olderLayouts)("keeps connections of programs whose entries had %s", ([, now, before], context) => {
    requireKernelFeature(context, "btf");
    const objects = compileOlder(folder.path, now, before);
    newHarness(openMaps(objectsDir))[Symbol.dispose]();
    expect(runOlder(objects, request(tcpFlag.syn))).toBe(tc.redirect);

    const maps = openMaps(objectsDir);
    using newer = newHarness(maps);
    expect(maps.hasReplaced).toBe(true);
    expect(newer.connection("out")).toMatchObject({ sourceIdentity: client.identity, flagNames: [] });
    for (const { id } of [client, server]) newer.setPolicy(id, []);
    newer.relabel(server, 1, server.identity);
    expect(newer.run("fromContainer", answer()).verdict).toBe(tc.redirect);
    expect(newer.drops()).toEqual([]);
  });
});

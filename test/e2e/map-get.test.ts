import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BpfMap, type MapSpec } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import { possibleCpus } from "../../src/kernel/net.js";
import { compileBpf } from "../support/compile-bpf.js";
import { MapNode } from "../support/map-node.js";
import { repositoryRoot, runCli } from "../support/run-cli.js";
import { TestFolder } from "../support/test-folder.js";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");
const descriptor = (fd: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(fd);
  return bytes;
};

/** A node on which somebody else has pinned maps of many types, with BTF and without. */
let node: MapNode;
const folder = new TestFolder();
const handles: Disposable[] = [folder];
const ids: Record<string, number> = {};

function keep<T extends Disposable>(handle: T): T {
  handles.push(handle);
  return handle;
}

beforeAll(async () => {
  node = await MapNode.start();
  handles.push(node);
  const foreign = join(node.bpffs, "other", "deep");
  mkdirSync(foreign, { recursive: true });
  const object = keep(
    BpfObject.open(compileBpf(join(repositoryRoot, "test/e2e/fixtures/any-maps.bpf.c"), folder.path)),
  );
  object.load();
  for (const [name, fill] of Object.entries(fillers)) {
    const map = keep(object.map(name));
    map.pin(join(foreign, name));
    ids[name] = map.info.id;
    fill(map);
  }
  const program = keep(object.program("any_program"));
  program.pin(join(foreign, "any_program"));
  using programs = BpfMap.openPinned(join(foreign, "any_programs"));
  programs.update(descriptor(2), descriptor(program.fd));
  ids.any_program = program.info.id;
  const data = object.maps.find(({ name }) => name.endsWith(".data"));
  const globals = keep(object.map(data!.name));
  globals.pin(join(foreign, "any_globals"));
  const inner = keep(
    BpfMap.create({ name: "inner", type: "array", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 1 }),
  );
  ids.inner = inner.info.id;
  using outer = BpfMap.openPinned(join(foreign, "any_outer"));
  await outer.updateInnerAsync(descriptor(599), inner);
  const plain = node.pin("plain", { type: "hash", keySizeBytes: 4, valueSizeBytes: 6, maxEntries: 8 });
  plain.update(hex("0a000001"), hex("010203040506"));
});
afterAll(() => {
  for (const handle of handles.reverse()) handle[Symbol.dispose]();
});

const lruKey = "0a000001 01bb 06 00";
const lruValue = "ffffffffffffffff fbffffff 11000000 6c786331000000000000000000000000 0a000002 0d000000";
const fillers: Readonly<Record<string, (map: BpfMap) => void>> = {
  any_lru: (map) => map.update(hex(lruKey), hex(lruValue)),
  any_array: (map) => map.update(descriptor(1), descriptor(6)),
  any_percpu: (map) => {
    const values = Buffer.alloc(map.valueStrideBytes);
    for (let cpu = 0; cpu < possibleCpus(); cpu++) values.writeUInt32LE(100 + cpu, 8 * cpu);
    map.update(hex("0700"), values);
  },
  any_trie: (map) => map.update(hex("10000000 0a010000"), hex("feffffffffffffff")),
  any_outer: () => {},
  any_programs: () => {},
};

const run = (...args: readonly string[]) => runCli(["bpf", "map", "get", ...args, "--lab", node.lab]);

async function itemsOf(...args: readonly string[]) {
  const { exitCode, stdout, stderr } = await run(...args, "-o", "json");
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  return JSON.parse(stdout);
}

describe("bpf map get, by the BTF of the map", () => {
  test("structures, unions, bit fields, enums, texts and network order", async () => {
    const { items, status } = await itemsOf("any_lru");
    expect(items).toEqual([
      {
        node: "node-1",
        map: "other/deep/any_lru",
        mapId: ids.any_lru,
        key: { address: 0x0a000001, port: 443, protocol: 6, pad: 0 },
        value: {
          packets: "18446744073709551615",
          balance: -5,
          protocol: "ANY_UDP",
          device: "lxc1",
          v4: 0x0a000002,
          bytes: [10, 0, 0, 2],
          is_up: 1,
          level: 6,
        },
        keyHex: lruKey.replaceAll(" ", ""),
        valueHex: lruValue.replaceAll(" ", ""),
      },
    ]);
    expect(status).toMatchObject({ state: "complete", rowsRead: 1 });
    expect(status.notes).toBeUndefined();
  });

  test("the key that is shown finds its entry again; so do its bytes", async () => {
    const { stdout } = await run("any_lru", "-o", "jsonpath={.items[0].key}");
    for (const key of [stdout, lruKey, lruKey.replaceAll(" ", ""), "0a:00:00:01:01:bb:06:00"]) {
      expect((await itemsOf("any_lru", key)).items).toHaveLength(1);
    }
    const part = await itemsOf("any_lru", '{"address":167772161,"port":443,"protocol":6}');
    expect(part.items[0].keyHex).toBe(lruKey.replaceAll(" ", ""));
  });

  test("arrays: a number is the index", async () => {
    const { items } = await itemsOf("any_array");
    expect(items.map(({ key, value }: { key: number; value: unknown }) => [key, value])).toEqual([
      [0, 0],
      [1, "ANY_TCP"],
      [2, 0],
    ]);
    expect((await itemsOf("any_array", "1")).items[0].value).toBe("ANY_TCP");
    const beyond = await run("any_array", "3");
    expect(beyond.exitCode).toBe(5);
    expect(beyond.stderr).toContain("has no entry with key 3");
  });

  test("per-CPU maps: one value a CPU", async () => {
    const { items } = await itemsOf("any_percpu", "7");
    expect(items[0].value).toEqual(Array.from({ length: possibleCpus() }, (_, cpu) => 100 + cpu));
    expect(items[0].valueHex).toHaveLength(possibleCpus());
  });

  test("a map of prefixes answers with the longest", async () => {
    expect((await itemsOf("any_trie")).items[0]).toMatchObject({
      key: { prefixlen: 16, address: [10, 1, 0, 0] },
      value: -2,
    });
    expect((await itemsOf("any_trie", '{"prefixlen":32,"address":[10,1,2,3]}')).items[0].value).toBe(-2);
  });

  test("maps of maps and program arrays: the ids of what their slots hold", async () => {
    const outer = await itemsOf("any_outer");
    expect(outer.items).toMatchObject([{ key: 599, value: ids.inner }]);
    expect(outer.status.notes).toEqual(["values are ids of maps (bpf map get --id)"]);
    const programs = await itemsOf("any_programs");
    expect(programs.items).toMatchObject([{ key: 2, value: ids.any_program }]);
  });

  test("global variables by name", async () => {
    const { items } = await itemsOf("any_globals");
    expect(items[0].value).toMatchObject({ any_counter: 7, any_share: 0.5 });
  });
});

describe("bpf map get, without types", () => {
  test("keys and values in hex, and it says so", async () => {
    const { exitCode, stdout, stderr } = await run("plain");
    expect(exitCode).toBe(0);
    expect(stdout).toBe("NODE     KEY           VALUE\nnode-1   0a 00 00 01   01 02 03 04 05 06\n");
    expect(stderr).toContain("note: nothing says what keys and values of this map are: they are shown in hex");
  });

  test("masked BTF is as good as none", async () => {
    const { stdout } = await runCli(["bpf", "map", "get", "any_percpu", "--no-headers", "--lab", node.lab], {
      env: { CTS_DISABLE_FEATURES: "btf" },
    });
    expect(stdout).toMatch(/^node-1 {3}07 00 {3}64 00 00 00/);
  });

  test.each([
    ["0a0001", 'key "0a0001" has 3 bytes: keys of plain have 4'],
    ["ten", 'key "ten" is no bytes in hex'],
    ['{"a":1}', "nothing says what keys of plain are"],
  ])("key %s is misuse", async (key, message) => {
    const { exitCode, stderr } = await run("plain", key);
    expect(exitCode).toBe(2);
    expect(stderr).toContain(message);
  });
});

describe("which map", () => {
  test("by the name of its pin, by its path, by the path on the node, by its id", async () => {
    const names = ["any_array", "other/deep/any_array", "/sys/fs/bpf/other/deep/any_array"];
    for (const name of [...names, `${node.bpffs}/other/deep/any_array`]) {
      expect((await itemsOf(name)).items[0].map).toBe("other/deep/any_array");
    }
    expect((await itemsOf("--id", String(ids.any_array), "1")).items[0]).toMatchObject({ map: "any_array", key: 1 });
    expect((await itemsOf("--id", String(ids.inner))).items).toMatchObject([{ map: "inner", key: 0 }]);
  });

  test.each([
    [["any_aray"], 5, 'no map "any_aray" is pinned on node node-1: did you mean "any_array"?'],
    [["other/deep"], 5, 'no map "other/deep" is pinned'],
    [["any_program"], 6, "what is pinned at other/deep/any_program on node node-1 is no map"],
    [["../../etc/passwd"], 2, "is not below the BPF file system"],
    [["/etc/passwd"], 2, "is not below the BPF file system"],
    [["--id", "4294967295"], 5, "node node-1 has no map with id 4294967295"],
    [[], 2, "a name, a path or --id"],
    [["plain", "0", "--id", "1"], 2, "by its name or by --id, not by both"],
  ])("%j ends with %i and says why", async (args, code, message) => {
    const { exitCode, stdout, stderr } = await run(...args);
    expect({ exitCode, stdout }).toEqual({ exitCode: code, stdout: "" });
    expect(stderr).toContain(message);
  });

  test("a name that is pinned twice names both paths", async () => {
    using map = BpfMap.openPinned(join(node.bpffs, "other/deep/any_trie"));
    map.pin(join(node.bpffs, "other/any_trie_twice"));
    mkdirSync(join(node.bpffs, "third"));
    map.pin(join(node.bpffs, "third/any_trie_twice"));
    const { exitCode, stderr } = await run("any_trie_twice");
    expect(exitCode).toBe(2);
    expect(stderr).toContain("kubectl cilium-ts bpf map get other/any_trie_twice");
    expect(stderr).toContain("kubectl cilium-ts bpf map get third/any_trie_twice");
  });
});

describe("bpf map list", () => {
  test("lists what others have pinned elsewhere by its path, with id and whether it has BTF", async () => {
    const { stdout } = await runCli(["bpf", "map", "list", "any_lru", "-o", "json", "--lab", node.lab]);
    expect(JSON.parse(stdout).items).toMatchObject([
      { name: "other/deep/any_lru", id: ids.any_lru, hasBtf: true, entries: 1, owner: "unknown" },
    ]);
    const wide = await runCli(["bpf", "map", "list", "plain", "-o", "wide", "--no-headers", "--lab", node.lab]);
    expect(wide.stdout).toMatch(/^node-1 {3}plain {3}hash {3}1 .* {3}no\n$/);
  });
});

describe("maps that upstream and we know", () => {
  test("by their layout where they have no BTF, naming the command that prints them better", async () => {
    using other = await MapNode.start();
    other.pinCapture("cilium_lxc");
    const { stdout, stderr } = await runCli(["bpf", "map", "get", "cilium_lxc", "-o", "json", "--lab", other.lab]);
    expect(stderr).toBe("");
    const { items, status } = JSON.parse(stdout);
    expect(items).toHaveLength(17);
    expect(items[0].value).toHaveProperty("lxc_id");
    expect(status.notes).toEqual(["bpf endpoint list prints this map with the meaning of its fields"]);
  });

  test("of a layout that fits no release: in hex", async () => {
    using other = await MapNode.start();
    const map = other.pin("cilium_lxc", { type: "hash", keySizeBytes: 4, valueSizeBytes: 2, maxEntries: 4 });
    map.update(hex("01020304"), hex("0506"));
    const { exitCode, stdout } = await runCli(["bpf", "map", "get", "cilium_lxc", "--no-headers", "--lab", other.lab]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 0, stdout: "node-1   01 02 03 04   05 06\n" });
  });
});

describe("maps whose entries cannot be listed", () => {
  const specs: readonly (readonly [Omit<MapSpec, "name">, string])[] = [
    [
      { type: "perf_event_array", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 2 },
      "its slots hold readers of events",
    ],
    [{ type: "queue", keySizeBytes: 0, valueSizeBytes: 4, maxEntries: 2 }, "they can only be taken out"],
    [{ type: "stack", keySizeBytes: 0, valueSizeBytes: 4, maxEntries: 2 }, "they can only be taken out"],
    [{ type: "ringbuf", keySizeBytes: 0, valueSizeBytes: 0, maxEntries: 4096 }, "it is a stream"],
    [{ type: "sockmap", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 2 }, "it holds sockets"],
  ];
  test.each(specs)("$type: %s", async (spec, reason) => {
    node.pin(`no_${spec.type}`, spec);
    const { exitCode, stdout, stderr } = await run(`no_${spec.type}`);
    expect({ exitCode, stdout }).toEqual({ exitCode: 6, stdout: "" });
    expect(stderr).toContain(`is a ${spec.type}: `);
    expect(stderr).toContain(reason);
  });
});

describe("large maps", () => {
  test("are streamed, limited and cut in the table only", async () => {
    const count = 20_000;
    const map = node.pin("large", { type: "hash", keySizeBytes: 4, valueSizeBytes: 128, maxEntries: count });
    const keys = Buffer.alloc(4 * count);
    for (let index = 0; index < count; index++) keys.writeUInt32LE(index, 4 * index);
    map.updateBatch(keys, Buffer.alloc(128 * count), count);
    const all = await run("large", "-o", "jsonl");
    expect(all.stdout.split("\n")).toHaveLength(count + 2);
    const few = await run("large", "--limit", "3", "--no-headers");
    expect(few.stdout).toMatch(/^(node-1 {3}(.. ){3}.. {3}(00 ){66}00…\n){3}$/);
    const wide = await run("large", "--limit", "1", "-o", "wide", "--no-headers");
    expect(wide.stdout).toMatch(/ (00 ){127}00\n$/);
  });

  test("values of megabytes are read one by one", async () => {
    const map = node.pin("huge", { type: "array", keySizeBytes: 4, valueSizeBytes: 3 << 20, maxEntries: 20 });
    map.update(descriptor(19), Buffer.alloc(3 << 20, 1));
    const { exitCode, stdout } = await run("huge", "--sort-by", "-KEY", "--limit", "1", "-o", "jsonl");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout.split("\n")[0]!)).toMatchObject({ key: 19, valueHex: "01".repeat(3 << 20) });
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import type { BpfProgram, ProgramInfo } from "../../src/kernel/bpf-program.js";
import { PerfBuffer, perfRecordWords } from "../../src/kernel/perf-buffer.js";
import { startCaptureNode } from "../support/capture-node.js";
import { compileBpf } from "../support/compile-bpf.js";
import type { MapNode } from "../support/map-node.js";
import { repositoryRoot, runCli } from "../support/run-cli.js";
import { TestFolder } from "../support/test-folder.js";

let node: MapNode;
let agent: StandInAgent;
beforeAll(async () => {
  node = await startCaptureNode();
  agent = new StandInAgent(node.pinPath("cilium_events"));
});
afterAll(() => {
  agent?.[Symbol.dispose]();
  node?.[Symbol.dispose]();
});

/** What an upstream agent holds: a program that sends perf records into a pinned map, and the reader of all its slots. */
class StandInAgent implements Disposable {
  readonly #folder = new TestFolder();
  readonly #handles: readonly Disposable[];
  readonly #program: BpfProgram;
  readonly #reader: PerfBuffer;
  #received = 0;

  constructor(pin: string) {
    const fixture = join(repositoryRoot, "test/native/fixtures/kinds.bpf.c");
    const object = BpfObject.open(compileBpf(fixture, this.#folder.path));
    const recordBytes = Buffer.alloc(4);
    recordBytes.writeUInt32LE(64);
    object.setRodata(recordBytes);
    object.load();
    const map = object.map("samples");
    map.pin(pin);
    this.#program = object.program("kinds_perf");
    this.#reader = new PerfBuffer({
      map,
      mode: { kind: "timed", intervalMs: 3_600_000 },
      onRecords: (_, records) => {
        this.#received += records.length / perfRecordWords;
      },
    });
    this.#handles = [this.#reader, this.#program, map, object];
  }

  /** Sends `count` records and says how many the reader got. */
  exchange(count: number): number {
    const before = this.#received;
    this.#program.testRun({ data: Buffer.alloc(64), repeat: count });
    this.#reader.drain();
    return this.#received - before;
  }

  get programInfo(): Partial<ProgramInfo> {
    const { runCount: _, runTimeNs: __, ...info } = this.#program.info;
    return info;
  }

  [Symbol.dispose](): void {
    for (const handle of this.#handles) handle[Symbol.dispose]();
    this.#folder[Symbol.dispose]();
  }
}

/** What commands that need to be told something are told; all others run bare. */
const argumentsOf: Readonly<Record<string, readonly string[]>> = {
  "bpf ipcache get": ["10.245.0.133"],
  "bpf lb maglev get": ["15"],
  "bpf sha get": ["b6e6611ae218"],
  // A hash, a trie, per-CPU values, and the agent's perf slots, which are refused.
  "bpf map get": ["cilium_lxc", "cilium_ipcache_v2", "cilium_metrics", "cilium_events"],
};

/** Every command that reads the kernel, as the binary itself lists them, with one word for each of its runs. */
const commands: readonly (readonly [command: string, word: string | undefined])[] = Object.keys(
  JSON.parse(readFileSync(join(repositoryRoot, "oclif.manifest.json"), "utf8")).commands,
)
  .map((id) => id.replaceAll(":", " "))
  .filter((id) => id.startsWith("bpf ") || ["monitor", "service list", "status"].includes(id))
  .sort()
  .flatMap((id) => (argumentsOf[id] ?? [undefined]).map((word) => [id, word] as const));

/** Every entry of every pinned map, and what the kernel says of the maps themselves. */
function snapshot(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    node.pinNames().map((name) => {
      using map = BpfMap.openPinned(node.pinPath(name), { readOnly: true });
      const entries: string[] = [];
      // Its slots cannot be looked at, only read from.
      if (map.info.type === "perf_event_array") return [name, JSON.stringify(map.info)];
      for (let key = map.nextKey(); key !== undefined; key = map.nextKey(key)) {
        entries.push(`${key.toString("hex")}=${map.lookup(key)?.toString("hex")}`);
      }
      return [name, `${JSON.stringify(map.info)}\n${entries.sort().join("\n")}`];
    }),
  );
}

describe("commands that read change nothing", () => {
  test.each(commands)("%s %s", async (command, word) => {
    const before = { maps: snapshot(), program: agent.programInfo };
    const { exitCode, stderr } = await runCli([
      ...command.split(" "),
      ...(word === undefined ? [] : [word]),
      ...["--lab", node.lab],
    ]);
    // Misuse would prove nothing. What a node of maps alone cannot answer is refused with 3 to 7.
    expect({ exitCode, stderr }).not.toMatchObject({ exitCode: 2 });
    expect(exitCode).not.toBe(70);
    expect({ maps: snapshot(), program: agent.programInfo }).toEqual(before);
    // The agent's reader still has its slots.
    expect(agent.exchange(7)).toBe(7);
  });
});

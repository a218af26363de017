import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { EventFilter } from "../../src/model/event-filter.js";
import { type EventRow, isStreamNotice } from "../../src/model/event-stream.js";
import type { MonitorEvent } from "../../src/model/monitor-event.js";
import type { Completeness, RowStream } from "../../src/model/readers.js";
import { NodeReaders } from "../../src/node/node-readers.js";
import { gobSample } from "../support/gob-samples.js";

let root: string;
let server: Server | undefined;
const stop = new AbortController();
const capture = gobSample("capture");

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "cts-t-events-"));
});
afterEach(async () => {
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  server = undefined;
  rmSync(root, { recursive: true, force: true });
});

async function serve(script: (socket: Socket) => void): Promise<void> {
  mkdirSync(join(root, "run/cilium"), { recursive: true });
  server = createServer((socket) => {
    socket.on("error", () => {});
    script(socket);
  });
  await new Promise<void>((resolve) => server!.listen(join(root, "run/cilium/monitor1_2.sock"), resolve));
}

interface Reading {
  readonly rows: readonly EventRow[];
  readonly events: readonly MonitorEvent[];
  readonly end: Completeness;
}

function open(filter: EventFilter = {}, signal = stop.signal, dropReasons?: readonly string[]): RowStream<EventRow> {
  const readers = NodeReaders.open({ name: "a", bpffs: join(root, "bpf"), root, release: "1.20" });
  return readers.read("events", { filter, dropReasons }, { signal });
}

async function readAll(stream: RowStream<EventRow>): Promise<Reading> {
  const rows: EventRow[] = [];
  for (let step = await stream.next(); ; step = await stream.next()) {
    if (step.done !== true) rows.push(...step.value);
    else return { rows, events: rows.filter((row): row is MonitorEvent => !isStreamNotice(row)), end: step.value };
  }
}

const read = (filter?: EventFilter): Promise<Reading> => readAll(open(filter));

describe("the events of a node whose upstream agent hands them on", () => {
  it("all of them decoded, between the notices of the stream's begin and end", async () => {
    await serve((socket) => socket.end(capture));
    const { rows, events, end } = await read();
    expect(rows[0]).toMatchObject({ kind: "stream-opened", node: "a", ring: { pages: 64, pageBytes: 4096 } });
    expect(rows.at(-1)).toEqual({ kind: "stream-ended", node: "a", reason: "the agent closed the connection" });
    const kinds = new Map<string, number>();
    for (const { kind } of events) kinds.set(kind, (kinds.get(kind) ?? 0) + 1);
    expect(Object.fromEntries(kinds)).toEqual({
      trace: 128,
      drop: 6,
      "policy-verdict": 3,
      "trace-sock": 1,
      lost: 1,
      agent: 1,
      l7: 1,
    });
    expect(end).toMatchObject({
      state: "partial",
      reason: expect.stringMatching(/monitor1_2\.sock: the agent closed the connection/),
      rowsRead: 140,
      notes: ["17 events were lost"],
    });
  });

  it.each<readonly [string, EventFilter, number]>([
    ["types", { types: ["drop", "agent"] }, 7],
    ["the endpoint that reported", { from: [1623], types: ["trace"] }, 29],
    ["the endpoint that it goes to", { to: [878], types: ["drop"] }, 2],
    ["either", { relatedTo: [878], types: ["drop", "policy-verdict"] }, 5],
    ["the identity of either end", { identities: [4189] }, 8],
    ["why it was dropped", { dropReasons: [133, 177] }, 5],
    ["an address of the packet", { packets: { addresses: ["10.89.0.99"] } }, 1],
    ["port and protocol of the packet", { packets: { ports: [46700], protocols: [6] } }, 7],
  ])("filtered by %s; losses are always told", async (_what, filter, count) => {
    await serve((socket) => socket.end(capture));
    const { events, end } = await read(filter);
    expect(events.filter(({ kind }) => kind === "lost")).toHaveLength(1);
    expect(events.length - 1).toBe(count);
    expect(end.rowsRead).toBe(140);
  });

  it.each<readonly [string, number]>([
    ["policy DENIED", 4],
    ["133", 4],
    ["DROP_NOT_IN_SRC_RANGE", 1],
    ["Invalid packet", 3],
  ])("filtered by the words for a drop: %s", async (word, count) => {
    await serve((socket) => socket.end(capture));
    const { events } = await readAll(open({}, stop.signal, [word]));
    expect(events.filter(({ kind }) => kind !== "lost")).toHaveLength(count);
  });

  it("words that stand for no drop are a mistake", async () => {
    await expect(readAll(open({}, stop.signal, ["policy denid"]))).rejects.toMatchObject({
      code: "unknown-drop-reason",
      message: 'nothing is dropped for "policy denid": did you mean "Policy denied"?',
    });
  });

  it("interfaces have the names that the node gives them", async () => {
    const folder = join(root, "sys/class/net/lxcef2928fa788f");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "ifindex"), "9\n");
    await serve((socket) => socket.end(capture));
    const { events } = await read({ types: ["trace"] });
    const names = new Set(events.map(({ interfaceIndex, interfaceName }) => `${interfaceIndex} ${interfaceName}`));
    expect(names).toContain("9 lxcef2928fa788f");
    expect([...names].filter((name) => !name.endsWith("undefined"))).toHaveLength(1);
  });

  it("a record that is none is an event that says why", async () => {
    const changed = Buffer.from(capture);
    // The first record, a trace of version 2, says it were one of version 99.
    changed[capture.indexOf(Buffer.from("0400570680029d79", "hex")) + 14] = 99;
    await serve((socket) => socket.end(changed));
    const { events } = await read();
    expect(events[0]).toMatchObject({ kind: "unknown", record: { type: 4, error: expect.stringContaining("99") } });
    expect(events).toHaveLength(141);
  });

  it("an abort ends it as whole as it can be", async () => {
    const abort = new AbortController();
    await serve((socket) => socket.write(capture));
    const stream = open({}, abort.signal);
    expect((await stream.next()).value).toMatchObject([{ kind: "stream-opened" }]);
    await stream.next();
    const reading = readAll(stream);
    abort.abort(new Error("enough"));
    expect((await reading).end).toMatchObject({ state: "complete" });
  });

  it("nobody who hands them on: an error", async () => {
    await expect(read()).rejects.toMatchObject({ code: "no-event-source" });
  });

  it("something that is no monitor: the stream ends at once, and says why", async () => {
    await serve((socket) => socket.end("220 mail ready\r\n"));
    const { rows, end } = await read();
    expect(rows.map(({ kind }) => kind)).toEqual(["stream-opened", "stream-ended"]);
    expect(end).toMatchObject({ state: "partial", reason: expect.stringContaining("monitor1_2.sock") });
  });
});

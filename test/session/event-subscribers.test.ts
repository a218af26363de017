import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type AgentApi, createAgentRoutes } from "../../src/agent/api/agent-routes.js";
import { type HttpServer, openHttpServer } from "../../src/agent/api/http-server.js";
import { EventHub } from "../../src/agent/events/event-hub.js";
import type { EventFilter } from "../../src/model/event-filter.js";
import { FrameDecoder } from "../../src/model/event-frames.js";
import type { MonitorEvent } from "../../src/model/monitor-event.js";
import { openAgentStream } from "../../src/node/events/agent-stream.js";
import type { EventSource, RawEvent } from "../../src/node/events/event-source.js";
import { silentLog } from "../support/agent-fixture.js";
import { InMemoryDatapath, type WrittenRecord } from "../support/in-memory-datapath.js";

/** Small, so that a reader who stops is behind soon; the sockets' own buffers come on top. */
const queueBytes = 64 * 1024;

let folder: string;
let server: HttpServer;
let datapath: InMemoryDatapath;
let hub: EventHub;
let stop: AbortController;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "cts-t-hub-"));
  datapath = new InMemoryDatapath();
  hub = new EventHub({ datapath, queueBytes });
  stop = new AbortController();
  const api = { events: (filter: EventFilter) => hub.subscription(filter) } as Partial<AgentApi> as AgentApi;
  const socketPath = join(folder, "agent.sock");
  server = await openHttpServer({ socketPath, handle: createAgentRoutes(api), log: silentLog });
});
afterEach(async () => {
  stop.abort(new Error("the test is over"));
  await server[Symbol.asyncDispose]();
  hub[Symbol.dispose]();
  rmSync(folder, { recursive: true, force: true });
});

/** A record of a type, with its number in it, as long as a trace with its packet. */
function record(number: number, type = 4, event: Partial<MonitorEvent> = {}): WrittenRecord {
  const bytes = Buffer.alloc(184);
  bytes.writeUInt8(type, 0);
  bytes.writeUInt32LE(number, 4);
  return { bytes, event: () => ({ kind: "trace", record: { kind: "trace" }, ...event }) as MonitorEvent };
}

function numberOf(event: RawEvent): number | bigint {
  if (event.kind === "loss") return -event.count;
  return Buffer.from(event.bytes).readUInt32LE(4);
}

function subscribe(filter: EventFilter = {}): Promise<EventSource> {
  return openAgentStream(server.socketPath, filter, stop.signal);
}

/** Reads until as many records came or were said to be lost. */
async function take(source: EventSource, count: number): Promise<readonly (number | bigint)[]> {
  const numbers: (number | bigint)[] = [];
  let seen = 0n;
  while (seen < count) {
    const step = await source.events.next();
    if (step.done === true) throw new Error(`the stream ended: ${step.value}`);
    for (const event of step.value) {
      numbers.push(numberOf(event));
      seen += event.kind === "loss" ? event.count : 1n;
    }
  }
  return numbers;
}

/** A subscriber that asks and then reads nothing. */
async function subscribeAndStall(): Promise<Socket> {
  const before = hub.totals.subscribers;
  const socket = connect(server.socketPath).pause();
  socket.write("POST /v1/events HTTP/1.1\r\nhost: agent\r\ncontent-length: 2\r\n\r\n{}");
  while (hub.totals.subscribers === before) await new Promise(setImmediate);
  return socket;
}

describe("subscribers of the agent's events", () => {
  it("each gets every record, in order, and learns of the ring first", async () => {
    const [first, second] = await Promise.all([subscribe(), subscribe()]);
    expect(first.ring).toMatchObject(datapath.eventRing);
    expect(first.isOwn).toBe(true);
    datapath.sendRecords([record(1), record(2)]);
    datapath.sendRecords([record(3)]);
    for (const source of [first, second]) expect(await take(source, 3)).toEqual([1, 2, 3]);
  });

  it("each has its own filter: by type from the first byte, by the rest from the decoded event", async () => {
    const drops = await subscribe({ types: ["drop"] });
    const ofEndpoint = await subscribe({ relatedTo: [7], types: ["drop", "trace"] });
    datapath.sendRecords([
      record(1, 1, { endpointId: 5 }),
      record(2, 4, { endpointId: 7 }),
      record(3, 4, { endpointId: 5, destinationEndpointId: 7 }),
      record(4, 5, { endpointId: 7 }),
      record(5, 1),
    ]);
    expect(await take(drops, 2)).toEqual([1, 5]);
    expect(await take(ofEndpoint, 2)).toEqual([2, 3]);
  });

  it("what the ring lost is told with its CPU", async () => {
    const source = await subscribe();
    datapath.loseRecords([{ cpu: 1, count: 12n }]);
    const step = await source.events.next();
    expect(step.value).toMatchObject([{ kind: "loss", cpu: 1, count: 12n }]);
  });

  it("one that stalls loses records, counted where they are missing; another one loses none", async () => {
    const stalled = await subscribeAndStall();
    const other = await subscribe();
    const sent = 20_000;
    const seen: (number | bigint)[] = [];
    for (let number = 0; number < sent; number += 100) {
      datapath.sendRecords(Array.from({ length: 100 }, (_, i) => record(number + i)));
      seen.push(...(await take(other, 100)));
    }
    expect(seen).toEqual(Array.from({ length: sent }, (_, i) => i));
    expect(hub.totals.lost).toBeGreaterThan(0n);

    // It reads again: what was kept, and how many are missing where they are.
    const numbers = (await resume(stalled, sent)).map(numberOf);
    let next = 0;
    for (const number of numbers) {
      if (typeof number === "bigint") next += Number(-number);
      else expect(number).toBe(next++);
    }
    expect(next).toBe(sent);
    const lost = numbers.filter((number) => typeof number === "bigint").reduce((sum, count) => sum - count, 0n);
    expect(lost).toBe(hub.totals.lost);
    stalled.destroy();
  });

  it("one that goes away leaves nothing behind: its types are no longer asked for", async () => {
    const [first, second] = await Promise.all([subscribe({ types: ["trace"] }), subscribe()]);
    const asked = [...datapath.takers].map(({ types }) => types && [...types]);
    expect(asked).toEqual(expect.arrayContaining([[4], undefined]));
    expect(asked).toHaveLength(2);
    first[Symbol.dispose]();
    second[Symbol.dispose]();
    while (hub.totals.subscribers > 0) await new Promise(setImmediate);
    expect(datapath.takers.size).toBe(0);
  });

  it("the ends: an agent that stops says so, one that dies does not", async () => {
    const [told, cut] = await Promise.all([subscribe(), subscribe()]);
    const ends = Promise.all([told.events.next(), cut.events.next()]);
    await server[Symbol.asyncDispose]();
    expect(await ends).toEqual(Array(2).fill({ done: true, value: "the agent ended the stream: it stops" }));
  });

  it("a subscriber that takes nothing does not keep an agent from stopping", async () => {
    const stalled = await subscribeAndStall();
    for (let i = 0; i < 50; i++) datapath.sendRecords(Array.from({ length: 100 }, (_, n) => record(n)));
    await server[Symbol.asyncDispose]();
    stalled.destroy();
  });

  it("bodies that are no filter, too many subscribers and an agent that starts are refused", async () => {
    const wrong = { types: ["drops"] } as unknown as EventFilter;
    await expect(subscribe(wrong)).rejects.toMatchObject({ code: "agent-answer", message: /no filter of events/ });
    await Promise.all(Array.from({ length: 32 }, () => subscribe()));
    await expect(subscribe()).rejects.toMatchObject({ code: "agent-answer", message: expect.stringMatching(/32/) });
  });
});

/** Reads a raw answer on until as many records came or were said to be lost, unpacking the chunks of HTTP. */
async function resume(socket: Socket, count: number): Promise<readonly RawEvent[]> {
  const decoder = new FrameDecoder();
  const found: RawEvent[] = [];
  let rest = Buffer.alloc(0);
  let hasHead = false;
  for await (const bytes of socket as AsyncIterable<Buffer>) {
    rest = Buffer.concat([rest, bytes]);
    if (!hasHead) {
      const end = rest.indexOf("\r\n\r\n");
      if (end < 0) continue;
      hasHead = true;
      rest = rest.subarray(end + 4);
    }
    for (let chunk = nextChunk(rest); chunk !== undefined; chunk = nextChunk(rest)) {
      rest = rest.subarray(chunk.totalBytes);
      for (const frame of decoder.push(chunk.content)) if (frame.kind !== "ring") found.push(frame);
    }
    if (found.reduce((sum, event) => sum + (event.kind === "loss" ? Number(event.count) : 1), 0) >= count) break;
  }
  return found;
}

function nextChunk(bytes: Buffer): { readonly content: Buffer; readonly totalBytes: number } | undefined {
  const end = bytes.indexOf("\r\n");
  if (end < 0) return undefined;
  const length = Number.parseInt(bytes.subarray(0, end).toString(), 16);
  const totalBytes = end + 2 + length + 2;
  return totalBytes > bytes.length ? undefined : { content: bytes.subarray(end + 2, end + 2 + length), totalBytes };
}

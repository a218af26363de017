import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { type EventMaps, openEventMaps, releaseExpired, SessionSlot } from "../../src/datapath/event-slots.js";
import { EventReader } from "../../src/datapath/events.js";
import { RingBuffer } from "../../src/kernel/ring-buffer.js";
import type { EventOptions } from "../../src/model/event-options.js";
import { messageTypes } from "../../src/model/monitor.js";
import { DatapathHarness, LOOPBACK_IFINDEX, pod } from "./harness.js";
import { ipv4Packet } from "./packet-builder.js";
import { u32 } from "./u32.js";

let datapath: DatapathHarness;
let maps: EventMaps;
let slots: SessionSlot[];
beforeAll(() => {
  datapath = new DatapathHarness();
});
beforeEach(() => {
  datapath.reset();
  maps = openEventMaps((name) => datapath.get(name));
  slots = [];
});
afterEach(() => {
  for (const slot of slots) slot[Symbol.dispose]();
});
afterAll(() => datapath[Symbol.dispose]());

const claim = (nowNs?: bigint): SessionSlot => {
  const slot = SessionSlot.claim(maps, undefined, nowNs);
  slots.push(slot);
  return slot;
};
const spoofed = ipv4Packet({ source: "10.9.9.9", destination: pod.server.ip });
const dropOne = () => datapath.run("fromContainer", spoofed);

function recordsIn({ ring }: SessionSlot): number {
  const mode = { kind: "timed", intervalMs: 1000 } as const;
  using reader = new RingBuffer({ map: ring, mode, onRecords: () => {} });
  return reader.drain();
}

const second = 1_000_000_000n;

describe("slots of sessions", () => {
  it("get every record that the agent gets, while they are held", () => {
    const [first, other] = [claim(), claim()];
    dropOne();
    expect(datapath.events.drain().drops).toHaveLength(1);
    expect([recordsIn(first), recordsIn(other)]).toEqual([1, 1]);
    first[Symbol.dispose]();
    expect(maps.slots.lookup(u32(1))).toBeUndefined();
    dropOne();
    expect(recordsIn(other)).toBe(1);
  });

  it("get no other types of records than their readers want, nor does the agent's", () => {
    const onlyTraces = SessionSlot.claim(maps, [messageTypes.trace]);
    slots.push(onlyTraces);
    const connect = (sourcePort: number) =>
      datapath.run("fromContainer", ipv4Packet({ source: pod.client.ip, destination: pod.server.ip, sourcePort }));
    using unwatched = new EventReader(datapath);
    dropOne();
    connect(1001);
    expect(recordsIn(onlyTraces)).toBe(1);
    expect(unwatched.drain()).toMatchObject({ drops: [{ reasonText: "Invalid source ip" }], traces: 0, lost: 0 });
    const watch = unwatched.watch({ types: new Set([messageTypes.trace]), records: () => {}, lost: () => {} });
    connect(1002);
    expect(unwatched.drain().traces).toBe(1);
    watch[Symbol.dispose]();
    connect(1003);
    expect(unwatched.drain().traces).toBe(0);
  });

  it("are three; a fourth session is told what to do", () => {
    for (let count = 0; count < 3; count++) claim();
    expect(() => claim()).toThrow(expect.objectContaining({ code: "no-event-slot" }));
  });

  it("come back from a holder that was killed, and not from one that renews its lease", () => {
    const [killed, living] = [claim(second), claim(second)];
    living.renew(6n * second);
    releaseExpired(maps, 7n * second);
    expect(maps.slots.lookup(u32(1))).toBeUndefined();
    expect(living.renew(8n * second)).toBe(true);
    expect(killed.renew(8n * second)).toBe(false);
  });

  it("are not given back by a holder that lost them", () => {
    const stopped = claim(second);
    const heir = claim(60n * second);
    stopped[Symbol.dispose]();
    dropOne();
    expect(recordsIn(heir)).toBe(1);
  });

  it("count their own losses, from the claim on, by CPU", () => {
    const slot = claim();
    datapath.programs.fromContainer.testRun({ data: spoofed, context: Buffer.alloc(192), repeat: 25_000 });
    const losses = slot.losses.take();
    expect(losses.length).toBeGreaterThan(0);
    const lost = Number(losses.reduce((sum, { count }) => sum + count, 0n));
    expect(lost + recordsIn(slot)).toBe(25_000);
    expect(slot.losses.take()).toEqual([]);
    slot[Symbol.dispose]();
    expect(claim().losses.take()).toEqual([]);
  });

  it("lose nothing of an endpoint whose own options have nothing told, and count what they lose of what is told", () => {
    const slot = claim();
    const denied = ipv4Packet({ source: pod.client.ip, destination: pod.server.ip });
    const denyMany = (options: Partial<EventOptions>): readonly [lost: number, read: number] => {
      datapath.relabel(pod.client, LOOPBACK_IFINDEX, pod.client.identity, options);
      datapath.programs.fromContainer.testRun({ data: denied, context: Buffer.alloc(192), repeat: 25_000 });
      const lost = slot.losses.take().reduce((sum, { count }) => sum + Number(count), 0);
      return [lost, recordsIn(slot)];
    };
    datapath.setPolicy(pod.client.id, []);
    expect(denyMany({ drops: false, verdicts: false })).toEqual([0, 0]);
    const [lost, read] = denyMany({ verdicts: false });
    expect([lost > 0, lost + read]).toEqual([true, 25_000]);
  });
});

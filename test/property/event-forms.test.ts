import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRecordDecoder } from "../../src/abi/events/record-decoder.js";
import { ownLayouts } from "../../src/abi/generated/layouts.js";
import { ownReleases } from "../../src/abi/release.js";
import { createMonitorEvent } from "../../src/model/create-monitor-event.js";
import type { RecordFrame } from "../../src/model/event-frames.js";
import { messageTypes } from "../../src/model/monitor.js";
import type { MonitorEvent } from "../../src/model/monitor-event.js";
import { EventForms } from "../../src/node/events/event-forms.js";
import { monitorList } from "../../src/output/lists/monitor-list.js";
import { TextBuffer } from "../../src/output/text-buffer.js";

const decoder = createRecordDecoder(ownReleases);

function whole({ bytes, cpu, timeMs }: RecordFrame): MonitorEvent {
  const { record, release } = decoder.decode(bytes);
  return createMonitorEvent(record, { release, node: "a", cpu, receivedAtMs: timeMs, interfaceName: (i) => `if${i}` });
}

/** Each type's header with its version. */
const headers = [
  { type: messageTypes.drop, bytes: ownLayouts.drop_notify.sizeBytes, version: 3 },
  { type: messageTypes.trace, bytes: ownLayouts.trace_notify.sizeBytes, version: 2 },
  { type: messageTypes["policy-verdict"], bytes: ownLayouts.policy_verdict_notify.sizeBytes, version: 1 },
];
const packets = [
  "0200000000020200000000010800450000280001000040060000 0af40001 0af40002 11111f90 0000000100000000 5002000000000000",
  "02000000000202000000000108004500001c0001000040110000 0af40001 0af40002 11111f90 00080000",
  "02000000000202000000000186dd60000000001406ff fd000000000000000000000000000001 fd000000000000000000000000000002 11111f90 0000000100000000 5012000000000000",
  "02000000000202000000000186dd600000000014113f fd000000000000000000000000000001 fd000000000000000000000000000002 11111f90 00140000 000000000000000000000000",
].map((text) => Buffer.from(text.replaceAll(" ", ""), "hex"));

/** Few of each field's values, so that forms come again; now and then a byte of any value anywhere. */
const frames: fc.Arbitrary<RecordFrame> = fc
  .record({
    header: fc.constantFrom(...headers),
    endpoint: fc.constantFrom(7, 8),
    hash: fc.nat(0xffff),
    length: fc.nat(3000),
    packet: fc.constantFrom(...packets),
    sourcePort: fc.nat(0xffff),
    captured: fc.oneof({ weight: 6, arbitrary: fc.constant(128) }, { weight: 1, arbitrary: fc.nat(60) }),
    change: fc.option(fc.tuple(fc.nat(150), fc.nat(255)), { freq: 4 }),
    cpu: fc.constantFrom(undefined, 1),
    timeMs: fc.constantFrom(1, 2),
  })
  .map(({ header, endpoint, hash, length, packet, sourcePort, captured, change, cpu, timeMs }) => {
    const bytes = Buffer.alloc(header.bytes + 128);
    bytes.writeUInt8(header.type, 0);
    bytes.writeUInt8(1, 1);
    bytes.writeUInt16LE(endpoint, 2);
    bytes.writeUInt32LE(hash, 4);
    bytes.writeUInt32LE(length, 8);
    bytes.writeUInt16LE(Math.min(captured, packet.length), 12);
    bytes.writeUInt8(header.version, 14);
    bytes.set(packet, header.bytes);
    bytes.writeUInt16BE(sourcePort, header.bytes + (packet[12] === 0x86 ? 54 : 34));
    if (change !== null) bytes[change[0]] = change[1];
    return { kind: "record", bytes, cpu, timeMs };
  });

describe("events decoded by their form", () => {
  it("say what those decoded one by one say, and print it in the same words", () => {
    let decoded = 0;
    const forms = new EventForms((frame) => {
      decoded++;
      return whole(frame);
    });
    const { item, writeItem } = monitorList();
    const out = new TextBuffer();
    let formed = 0;
    const rules = ["NetworkPolicy/shop/web spec.ingress[0]"];
    fc.assert(
      fc.property(frames, fc.constantFrom("x", "y", undefined), (frame, name) => {
        const expected = whole(frame);
        decoded = 0;
        const event = forms.event(frame);
        expect(decoded).toBeLessThanOrEqual(1);
        if (event.form !== undefined) formed++;
        expect({ ...event, form: undefined, record: undefined }).toEqual({ ...expected, record: undefined });
        const named: MonitorEvent = {
          ...event,
          sourceName: name === undefined ? undefined : { kind: "node", name },
          rules: name === undefined ? undefined : rules,
        };
        writeItem?.(named, out);
        expect(out.take().toString()).toBe(JSON.stringify(item(named)));
      }),
      { numRuns: 10_000 },
    );
    expect(formed).toBeGreaterThan(4000);
  });

  it("share what they do not have for themselves", () => {
    const forms = new EventForms(whole);
    const [packet] = packets;
    const frame = (port: number): RecordFrame => {
      const bytes = Buffer.concat([Buffer.alloc(56), packet!]);
      bytes.writeUInt8(messageTypes.trace, 0);
      bytes.writeUInt16LE(packet!.length, 12);
      bytes.writeUInt8(2, 14);
      bytes.writeUInt16BE(port, 56 + 34);
      return { kind: "record", bytes, timeMs: port };
    };
    const [one, other] = [forms.event(frame(1000)), forms.event(frame(2000))];
    expect([one.packet?.sourcePort, other.packet?.sourcePort]).toEqual([1000, 2000]);
    expect(one.form).toBeDefined();
    expect(other.form).toBe(one.form);
  });
});

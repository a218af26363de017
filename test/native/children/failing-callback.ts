/**
 * The callback of a ring buffer throws, or its promise is rejected, on the event loop: the error must arrive as the named
 * event of the process, once a wake-up, and the reader goes on. Without an event's name nobody listens.
 */
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BpfObject } from "../../../src/kernel/bpf-object.js";
import { RingBuffer } from "../../../src/kernel/ring-buffer.js";

const [objectPath = "", how = "", event = ""] = process.argv.slice(2);
const object = BpfObject.open(objectPath);
using inner = BpfMap.create({ type: "array", name: "inner", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1 });
object.setInnerMap("policies", inner);
object.load();
const program = object.program("sample_tc");
using events = object.map("events");

let calls = 0;
const reader = new RingBuffer({
  map: events,
  mode: { kind: "poll" },
  onRecords: () => {
    calls++;
    const error = new Error(`from callback ${calls}`);
    if (how === "rejects") return Promise.reject(error);
    throw error;
  },
});
if (event !== "") {
  const messages: string[] = [];
  process.on(event, (error: Error) => {
    messages.push(error.message);
    if (messages.length === 1) return void program.testRun({ data: Buffer.alloc(64) });
    reader.close();
    process.stdout.write(JSON.stringify({ calls, messages }));
  });
}
program.testRun({ data: Buffer.alloc(64) });

/**
 * Reads a ring buffer in a worker thread while the main thread produces, then ends the worker with the reader open.
 * Prints how many records the worker saw.
 */
import { once } from "node:events";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BpfObject } from "../../../src/kernel/bpf-object.js";
import { RingBuffer } from "../../../src/kernel/ring-buffer.js";
import { startWorker } from "./start-worker.js";

const total = 1000;

function readInWorker(): void {
  const { mapId } = workerData as { mapId: number };
  using map = BpfMap.openById(mapId);
  let seen = 0;
  new RingBuffer({
    map,
    mode: { kind: "timed", intervalMs: 5 },
    onRecords: (_buffer, records) => {
      seen += records.length / 2;
      if (seen === total) parentPort?.postMessage(seen);
    },
  });
  parentPort?.postMessage("ready");
}

async function produce(): Promise<void> {
  const [objectPath = ""] = process.argv.slice(2);
  const object = BpfObject.open(objectPath);
  using inner = BpfMap.create({ type: "array", name: "inner", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1 });
  object.setInnerMap("policies", inner);
  object.load();
  using program = object.program("sample_tc");
  using events = object.map("events");
  const worker = startWorker(import.meta.url, { mapId: events.info.id });
  await once(worker, "message");
  program.testRun({ data: Buffer.alloc(64), repeat: total });
  const [seen] = await once(worker, "message");
  const exitCode = await worker.terminate();
  process.stdout.write(JSON.stringify({ seen, exitCode }));
}

if (isMainThread) await produce();
else readInWorker();

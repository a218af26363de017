/**
 * All of the misuse table in one plain process, for valgrind: rubbish, closed handles, handles that the collector takes,
 * records through ring and perf buffers, everything once used as it should be. Prints what went wrong.
 * `misuse <object file> <bpffs>`
 */
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BpfObject } from "../../../src/kernel/bpf-object.js";
import { kernelEnumNames, programFunctionName } from "../../../src/kernel/btf.js";
import { BucketWalk } from "../../../src/kernel/bucket-walk.js";
import { probeKernelFeatures } from "../../../src/kernel/features.js";
import { MapIterator } from "../../../src/kernel/map-iterator.js";
import { PerfBuffer } from "../../../src/kernel/perf-buffer.js";
import { faultsAfterClose, faultsOfRubbish, membersMissing } from "../misuse-cases.js";
import { type MisuseWorld, misuseSubjects, openWorld } from "../misuse-subjects.js";

const [objectPath = "", bpffs = ""] = process.argv.slice(2);

/** Each class once as it is meant to be used. */
async function useEverything(world: MisuseWorld): Promise<void> {
  const key = Buffer.alloc(4);
  world.map.update(key, Buffer.alloc(8));
  world.map.updateBatch(Buffer.alloc(8, 1), Buffer.alloc(16), 2);
  world.map.lookupBatch(undefined, 8);
  world.map.deleteBatch(Buffer.alloc(8, 1), 2);
  await world.map.deleteAsync(key);
  world.program.testRun({ context: Buffer.alloc(16) });
  programFunctionName(world.program);
  kernelEnumNames("skb_drop_reason");
  probeKernelFeatures();
  using iterator = MapIterator.open(world.map);
  iterator.read(Buffer.alloc(120));
  using walk = BucketWalk.open(world.map);
  walk.walk(8);
  using object = BpfObject.open(objectPath);
  object.load();
  using program = object.program("kinds_perf");
  using samples = object.map("samples");
  let records = 0;
  const reader = new PerfBuffer({
    map: samples,
    mode: { kind: "poll" },
    onRecords: async (_buffer, words) => {
      records += words.length / 3;
      if (records >= 3) reader.close();
    },
  });
  program.testRun({ data: Buffer.alloc(64), repeat: 3 });
  while (reader.isOpen) await new Promise((resolve) => setImmediate(resolve));
}

const faults: string[] = [];
using world = openWorld(objectPath, bpffs);
for (const subject of misuseSubjects(world)) {
  faults.push(...membersMissing(subject));
  faults.push(...(await faultsOfRubbish(subject, world)));
  faults.push(...(await faultsAfterClose(subject, world)));
}
await useEverything(world);
for (let round = 0; round < 20; round++) BpfMap.openById(world.map.info.id); // for the collector
globalThis.gc?.();
await new Promise((resolve) => setImmediate(resolve));
for (const fault of faults) console.log(fault);
process.exitCode = faults.length === 0 ? 0 : 1;

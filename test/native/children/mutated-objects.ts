/**
 * Opens, and where that succeeds loads, an object file with a few random bytes changed, many times. Prints how many
 * were opened, loaded and refused; a crash of libbpf ends the process with a signal.
 */
import { readFileSync } from "node:fs";
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BpfObject } from "../../../src/kernel/bpf-object.js";

const [objectPath = "", seedText = "1", roundsText = "500"] = process.argv.slice(2);
const good = readFileSync(objectPath);
let seed = Number(seedText);

function random(below: number): number {
  seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
  return (seed >>> 8) % below;
}

const codes = new Set(["object-open", "object-load", "object-configure", "object-not-found"]);
const counts = { opened: 0, loaded: 0, refused: 0 };
using inner = BpfMap.create({ type: "array", name: "inner", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1 });

function tryObject(bytes: Buffer): void {
  const object = BpfObject.open(bytes);
  counts.opened++;
  try {
    object.setInnerMap("policies", inner);
    object.load();
    counts.loaded++;
  } finally {
    object.close();
  }
}

for (let round = 0; round < Number(roundsText); round++) {
  const bytes = Buffer.from(good);
  for (let changes = 1 + random(8); changes > 0; changes--) bytes[random(bytes.length)] = random(256);
  try {
    tryObject(bytes);
  } catch (error) {
    if (!codes.has((error as { code: string }).code)) throw error;
    counts.refused++;
  }
}
process.stdout.write(JSON.stringify(counts));

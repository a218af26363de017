/** Writes and deletes conntrack entries as fast as it can until it is killed. */
import { BpfMap } from "../../../src/kernel/bpf-map.js";

const map = BpfMap.openPinned(process.argv[2]!);
const key = Buffer.alloc(14);
key[12] = 6;
const value = Buffer.alloc(56);
for (let i = 0; ; i++) {
  key.writeUInt32BE(0x0a000000 + (i % 100_000));
  map.update(key, value);
  if (i % 3 === 0) {
    key.writeUInt32BE(0x0a000000 + ((((i - 500) % 100_000) >>> 0) % 100_000));
    map.delete(key);
  }
  if (i === 5000) process.stdout.write("busy\n");
}

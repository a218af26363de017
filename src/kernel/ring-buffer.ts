import { loadAddon } from "./addon.js";
import { refuseArgument, requireInstance, requireOptions } from "./arguments.js";
import { BpfMap } from "./bpf-map.js";
import { RecordReader, type RecordReaderOptions, requireReaderOptions } from "./record-reader.js";

export interface RingBufferOptions extends RecordReaderOptions {
  readonly map: BpfMap;
}

/**
 * The reader of a ring buffer, on the event loop of this thread. A ring has one consumer position: a second reader of the
 * same map takes records away from the first, so never read a map that somebody else made.
 *
 * An exception in `onRecords` becomes an uncaughtException of the process (the records are gone, the reader goes on); when
 * `drain()` called it, drain throws it. Throws KernelError: `ring-buffer-open`, `ring-buffer-drain`, `invalid-argument`,
 * `handle-closed`.
 */
export class RingBuffer extends RecordReader {
  constructor(options: RingBufferOptions) {
    requireOptions(options);
    const { map } = options;
    requireInstance(map, BpfMap, "map");
    requireReaderOptions(options);
    if (map.info.type !== "ringbuf") refuseArgument("map", "a ringbuf map", map.info.type);
    const native = new (loadAddon().RingBuffer)();
    super(native, "ring buffer", map.info.name, options, (onRecords) => native.open(map.fd, onRecords));
  }
}

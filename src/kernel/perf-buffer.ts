import { loadAddon } from "./addon.js";
import { refuseArgument, requireInstance, requireInteger, requireOptions } from "./arguments.js";
import { BpfMap } from "./bpf-map.js";
import { RecordReader, type RecordReaderOptions, requireReaderOptions } from "./record-reader.js";

export interface PerfBufferOptions extends RecordReaderOptions {
  /** Made in this process: `BpfMap.create`, or a map that an object of ours declares. */
  readonly map: BpfMap;
  /** Memory for each CPU, a power of two. Default 64 pages, 256 KiB on most machines. */
  readonly pagesPerCpu?: number;
}

/** Words of `records` that stand for one record of a perf buffer: offset, length, CPU. */
export const perfRecordWords = 3;

/**
 * The reader of a perf event array, for kernels without ring buffers (before 5.8), on the event loop of this thread. The
 * length of a record includes the kernel's padding, up to 7 bytes. What does not fit into a CPU's buffer is lost; the kernel
 * tells how much with the next record that fits.
 *
 * Each slot of the map holds one reader, and the last one that opens it takes it from the one before, who is told nothing:
 * an upstream agent would lose its events. So only a map that was made in this process can be read, by one reader.
 *
 * Exceptions in `onRecords` as in `RingBuffer`. Throws KernelError: `perf-buffer-open`, `perf-buffer-drain`,
 * `invalid-argument`, `handle-closed`.
 */
export class PerfBuffer extends RecordReader {
  constructor(options: PerfBufferOptions) {
    requireOptions(options);
    const { map, pagesPerCpu = 64 } = options;
    requireInstance(map, BpfMap, "map");
    requireReaderOptions(options);
    requireInteger(pagesPerCpu, "pagesPerCpu", 1, 1 << 16);
    if ((pagesPerCpu & (pagesPerCpu - 1)) !== 0) refuseArgument("pagesPerCpu", "a power of two", pagesPerCpu);
    if (map.info.type !== "perf_event_array") refuseArgument("map", "a perf_event_array map", map.info.type);
    if (!map.isOwn) {
      const found = `map ${map.info.name} (id ${map.info.id}), opened by path or id`;
      refuseArgument("map", "a map that this process made: a perf slot holds one reader", found);
    }
    const native = new (loadAddon().PerfBuffer)();
    super(native, "perf buffer", map.info.name, options, (onRecords) =>
      native.open(map.fd, pagesPerCpu, options.mode.kind === "timed", onRecords),
    );
  }
}

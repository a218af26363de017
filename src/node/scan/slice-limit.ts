import { isHashMapType, type MapType } from "../../kernel/map-type.js";
import { KernelError } from "../../lib/errors.js";
import type { ScannableMap } from "./map-walk.js";

/** What one empty bucket costs a batch or next-key call, measured: 35 ms for 16,777,216 (Linux 6.18), and a little more. */
const emptyBucketNs = 2.5;

/** How long one call of the kernel holds a CPU when it walks over all buckets of the map and finds nothing. */
export function emptyStretchMs(map: ScannableMap): number {
  if (!isHashMapType(map.info.type as MapType)) return 0;
  // htab_map_alloc of kernel/bpf/hashtab.c
  const buckets = 2 ** Math.ceil(Math.log2(Math.max(1, map.info.maxEntries)));
  return (buckets * emptyBucketNs) / 1e6;
}

export function refuseLongSlice(map: ScannableMap, stretchMs: number, maxSliceMs: number): KernelError {
  const { name, maxEntries } = map.info;
  const neededMs = Math.ceil(stretchMs);
  return new KernelError(
    "slice-too-long",
    `reading map ${name} may hold a CPU for ${neededMs} ms at a time, longer than the ${maxSliceMs} ms that are allowed`,
    {
      hint: `It has room for ${maxEntries} entries, and where few are in use the kernel walks over the empty part without a pause. The program that does it piece by piece cannot be loaded here: it takes Linux 5.10 with BTF, CAP_BPF and CAP_PERFMON.`,
      nextSteps: [`add --max-slice ${neededMs}   (if the node can bear it)`],
      details: { map: name, maxEntries, neededMs, maxSliceMs },
    },
  );
}

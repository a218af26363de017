import type { BpfMap } from "../../kernel/bpf-map.js";
import { BucketWalk } from "../../kernel/bucket-walk.js";
import { KernelError } from "../../lib/errors.js";
import type { NodeContext } from "../node-context.js";
import { type ScanEnd, scanMap } from "./map-scan.js";
import type { MapSlice } from "./map-walk.js";

/** Scans a map of the node as the node's session was told to. @throws as {@link scanMap} */
export function scanBpfMap(map: BpfMap, context: NodeContext, signal: AbortSignal): AsyncGenerator<MapSlice, ScanEnd> {
  return scanMap(map, { signal, maxSliceMs: context.place.maxSliceMs, openKeyFinder: () => openBucketWalk(map) });
}

/** Undefined where the kernel or our capabilities do not allow it. */
function openBucketWalk(map: BpfMap): BucketWalk | undefined {
  try {
    return BucketWalk.open(map);
  } catch (error) {
    if (error instanceof KernelError) return undefined;
    throw error;
  }
}

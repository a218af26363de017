import type { JsonValue } from "../lib/json-value.js";
import type { NodeRowBase } from "./rows.js";

/** One entry of any map (`bpf map get`). */
export interface MapEntryRow extends NodeRowBase {
  /** Pin name, path below the BPF file system, or the kernel's name of a map that is not pinned. */
  readonly map: string;
  readonly mapId: number;
  readonly keyHex: string;
  /** Of per-CPU maps one text a CPU. */
  readonly valueHex: string | readonly string[];
  /** Where the types are known; integers beyond 2^53 as their digits. Of per-CPU maps a list. */
  readonly key?: JsonValue | undefined;
  readonly value?: JsonValue | undefined;
}

/** Which map, and what of it. */
export interface MapEntriesRequest {
  /** Pin name or path below the BPF file system. */
  readonly name?: string | undefined;
  /** Instead of a name. */
  readonly id?: number | undefined;
  /** As the user wrote it: the entry of this key alone. */
  readonly key?: string | undefined;
}

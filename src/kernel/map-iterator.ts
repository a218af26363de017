import { loadAddon } from "./addon.js";
import { refuseArgument, requireInstance, viewBytes } from "./arguments.js";
import { BpfMap } from "./bpf-map.js";
import { BpfObject } from "./bpf-object.js";
import { Errno } from "./errno.js";
import { isFeatureDisabled } from "./feature-mask.js";
import { isFeatureAvailable } from "./features.js";
import { checkStatus, type KernelFailure, kernelError } from "./kernel-error.js";
import { isIterableMapType } from "./map-type.js";
import type { NativeMapIterator } from "./native-addon.js";
import { NativeHandle } from "./native-handle.js";
import { toolObjectPath } from "./tool-object.js";

/**
 * The elements of one map as a stream of records of one size, by a program that the kernel runs on each (5.9, CAP_BPF and
 * CAP_PERFMON, kernel BTF). A record is the key with the value right behind it, `valueStrideBytes` of it: for per-CPU maps
 * the values of all CPUs.
 *
 * An element that stays while the map is read comes once. The place between two reads is a bucket and a number of elements
 * in it: what comes or goes in that very bucket can make one of its neighbours come twice or not at all.
 *
 * The kernel walks empty buckets within one read, at ten times the cost of a batch call (18 ns against 1.7 ns each, measured
 * on 6.18), and lets other threads run meanwhile only where it preempts fully. So for a large and nearly empty map this
 * bounds nothing on a kernel with `preempt=none` or `voluntary`.
 */
export class MapIterator extends NativeHandle<NativeMapIterator> {
  readonly keySizeBytes: number;
  readonly recordBytes: number;
  readonly #mapName: string;

  private constructor(native: NativeMapIterator, map: BpfMap) {
    super(native);
    this.keySizeBytes = map.info.keySizeBytes;
    this.recordBytes = map.info.keySizeBytes + map.valueStrideBytes;
    this.#mapName = map.info.name;
  }

  /**
   * @throws KernelError `map-iterator-open`: EINVAL for map types without an iterator (see `isIterableMapType`), EPERM
   * without the capabilities, ESRCH or ENOENT without kernel BTF
   */
  static open(map: BpfMap): MapIterator {
    requireInstance(map, BpfMap, "map");
    const failure: Omit<KernelFailure, "errno"> = {
      code: "map-iterator-open",
      attempt: `iterate over map ${map.info.name} (id ${map.info.id})`,
      details: { mapId: map.info.id, mapName: map.info.name, mapType: map.info.type },
    };
    if (!isIterableMapType(map.info.type)) {
      const hint = `The kernel iterates over hash maps and arrays only, not over ${map.info.type} maps.`;
      throw kernelError({ ...failure, errno: Errno.EINVAL, hint });
    }
    if (isFeatureDisabled("map_iterator")) throw kernelError({ ...failure, errno: Errno.EINVAL });
    using object = loadIterator(map);
    using program = object.program("cts_map_elements");
    const native = new (loadAddon().MapIterator)();
    const status = native.open(program.fd, map.fd);
    if (status < 0) native.close();
    checkStatus(status, () => ({ ...failure, hint: missingHint() }));
    return new MapIterator(native, map);
  }

  protected describe(): string {
    return `the iterator over map ${this.#mapName}`;
  }

  /**
   * Reads the next elements into `into` and returns how many, 0 behind the last one. At most what fits into `into` and what
   * the kernel holds in its own 32 KiB; a short answer is not the end.
   *
   * @throws KernelError `map-iterator-read`: E2BIG when one record is larger than the kernel's buffer
   */
  read(into: Uint8Array): number {
    const native = this.use("read");
    const view = viewBytes(into, "into");
    // A multiple of the record, so that no read ends inside of one.
    const room = Math.floor(view.length / this.recordBytes) * this.recordBytes;
    if (room === 0) refuseArgument("into", `at least ${this.recordBytes} bytes, one record`, into);
    const length = checkStatus(native.read(view, room), () => ({
      code: "map-iterator-read",
      attempt: `read from ${this.describe()}`,
      details: { recordBytes: this.recordBytes },
      hint: "A record of 32 KiB or more does not fit into the kernel's buffer.",
    }));
    return length / this.recordBytes;
  }
}

/** The iterator program, made for the sizes of one map. */
function loadIterator(map: BpfMap): BpfObject {
  const object = BpfObject.open(toolObjectPath("map_iterator"), { name: "cts_map_iterator" });
  const sizes = Buffer.alloc(8);
  sizes.writeUInt32LE(map.info.keySizeBytes, 0);
  sizes.writeUInt32LE(map.valueStrideBytes, 4);
  object.setRodata(sizes);
  object.load();
  return object;
}

function missingHint(): string | undefined {
  return isFeatureAvailable("map_iterator") === false
    ? "This kernel loads no map iterators (since 5.9, with BTF)."
    : undefined;
}

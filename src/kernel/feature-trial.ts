/** How features are tried: small maps and hand-made programs that are gone again when the answer is known. */
import { cgroupAttachTypeNumbers, type TracingAttachType, tracingAttachTypeNumbers } from "./attach-type.js";
import { Errno } from "./errno.js";
import { assemble, exitProgram, setRegister } from "./instructions.js";
import { type KnownMapType, MapFlag, mapTypeNumbers } from "./map-type.js";
import type { NativeAddon, NativeMap, NativeProgram } from "./native-addon.js";
import { type KnownProgramType, programTypeNumbers } from "./program-type.js";

/** What `use` says of a small map of a type while it is there; false when the kernel does not make one. */
export function withMap(
  addon: NativeAddon,
  type: KnownMapType,
  use: (map: NativeMap) => boolean,
  inner?: NativeMap,
): boolean {
  const sizes: readonly [key: number, value: number, entries: number] =
    type === "ringbuf" ? [0, 0, 1 << 16] : type === "lpm_trie" ? [8, 4, 4] : [4, 4, 4];
  const flags = type === "lpm_trie" ? MapFlag.noPrealloc : 0;
  const map = new addon.BpfMap();
  try {
    return map.create(mapTypeNumbers[type], "cts_probe", ...sizes, flags, inner?.fd() ?? -1) >= 0 && use(map);
  } finally {
    map.close();
  }
}

/** Whether the kernel takes a hand-made program. */
export function loads(
  addon: NativeAddon,
  type: KnownProgramType,
  attachType: number,
  instructions: Buffer,
  attachBtfId = 0,
): boolean {
  return whileLoaded(addon, { type, attachType, instructions, attachBtfId }, () => true);
}

/** What `use` says of a program while it is loaded; false when the kernel does not take it. */
export function whileLoaded(
  addon: NativeAddon,
  trial: { type: KnownProgramType; attachType: number; instructions: Buffer; attachBtfId?: number },
  use: (program: NativeProgram) => boolean,
): boolean {
  const { type, attachType, instructions, attachBtfId = 0 } = trial;
  const program = new addon.BpfProgram();
  try {
    const status = program.loadInstructions(
      programTypeNumbers[type],
      attachType,
      "cts_probe",
      instructions,
      attachBtfId,
    );
    return status >= 0 && use(program);
  } finally {
    program.close();
  }
}

/** Whether a hand-made program returns 0 for a packet. */
export function runs(addon: NativeAddon, type: KnownProgramType, instructions: Buffer): boolean {
  return whileLoaded(addon, { type, attachType: 0, instructions }, (program) => {
    const [status, retval] = program.testRun(Buffer.alloc(64), undefined, undefined, undefined, 1, 0);
    return status >= 0 && retval === 0;
  });
}

/** Whether attaching a program to a place where it cannot be is refused as by a kernel that knows such links. */
export function attachAnswers(
  addon: NativeAddon,
  type: KnownProgramType,
  attachType: number,
  [target, flags]: readonly [target: number, flags: number],
  errno: number,
): boolean {
  return whileLoaded(addon, { type, attachType, instructions: returning(1) }, (program) => {
    const link = new addon.BpfLink();
    return link.attachDevice(program.fd(), target, attachType, flags, 0, 0n) === -errno;
  });
}

/** What the probes attach tracing programs to: names in the kernel's BTF. */
export const tracingTargets = {
  /** An iterator over the elements of a map. */
  mapElements: "bpf_iter_bpf_map_elem",
  /** The tracepoint kfree_skb. */
  freedPacket: "btf_trace_kfree_skb",
  /** A function that the kernel has for such tests. */
  testFunction: "bpf_fentry_test1",
} as const;

/** Whether the kernel takes a program for one of the targets, of which `kernelTypes` knows the ids. */
export function loadsTracing(
  addon: NativeAddon,
  kernelTypes: KernelTypes,
  attachType: TracingAttachType,
  target: keyof typeof tracingTargets,
): boolean {
  const id = kernelTypes.idOf(tracingTargets[target]);
  return id > 0 && loads(addon, "tracing", tracingAttachTypeNumbers[attachType], returning(0), id);
}

/** Ids of the targets in the kernel's BTF: looked up together and when the first one is asked for, because that takes 10 ms. */
export class KernelTypes {
  readonly #addon: NativeAddon;
  #ids: ReadonlyMap<string, number> | undefined;

  constructor(addon: NativeAddon) {
    this.#addon = addon;
  }

  /** 0 when the kernel has no such thing, or no BTF. */
  idOf(name: string): number {
    this.#ids ??= this.#read();
    return this.#ids.get(name) ?? 0;
  }

  #read(): ReadonlyMap<string, number> {
    const names = Object.values(tracingTargets);
    const ids = this.#addon.kernelBtfIds(names);
    return new Map(typeof ids === "number" ? [] : names.map((name, index) => [name, ids[index] ?? 0]));
  }
}

/** Whether an empty map can be read in batches. */
export function hasBatchLookup(map: NativeMap, keyBytes: number): boolean {
  const [status] = map.lookupBatch(undefined, Buffer.alloc(8), Buffer.alloc(4 * keyBytes), Buffer.alloc(16), 4);
  return status === 0 || status === -Errno.ENOENT;
}

export function opensPerfBuffer(addon: NativeAddon, map: NativeMap): boolean {
  const reader = new addon.PerfBuffer();
  const status = reader.open(map.fd(), 1, true, () => {});
  reader.close();
  return status >= 0;
}

/** A program that does nothing but return a number. */
export const returning = (value: number) => assemble(setRegister(0, value), exitProgram());

/** Whether the kernel has this hook of socket addresses. */
export function loadsSockAddr(attachType: keyof typeof cgroupAttachTypeNumbers): (addon: NativeAddon) => boolean {
  return (addon) => loads(addon, "cgroup_sock_addr", cgroupAttachTypeNumbers[attachType], returning(1));
}

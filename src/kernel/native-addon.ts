/**
 * The addon as C++ exports it (native/*.cc). Nothing outside src/kernel uses these types.
 *
 * Contract: the caller has validated every argument; a number below zero is `-errno`; handle classes start empty and are
 * filled by one of their opening methods. What ends in `Async` takes the same arguments and resolves with what the other
 * returns; it never rejects. Its handle may be closed meanwhile.
 */
export interface NativeMapInfo {
  readonly id: number;
  readonly type: number;
  /** At most 15 characters: the kernel cuts longer names. */
  readonly name: string;
  readonly keySizeBytes: number;
  /** Of one value; see `BpfMap.valueStrideBytes` for per-CPU maps. */
  readonly valueSizeBytes: number;
  readonly maxEntries: number;
  /** `map_flags` of creation, see `MapFlag`. */
  readonly flags: number;
  /** 0 = the map carries no BTF. */
  readonly btfId: number;
  readonly btfKeyTypeId: number;
  readonly btfValueTypeId: number;
}

export interface NativeHandle {
  fd(): number;
  close(): void;
}

export interface NativeMap extends NativeHandle {
  create(
    type: number,
    name: string,
    keySize: number,
    valueSize: number,
    maxEntries: number,
    flags: number,
    innerFd: number,
  ): number;
  openPinned(path: string, openFlags: number): number;
  openById(id: number, openFlags: number): number;
  adopt(fd: number): number;
  info(): NativeMapInfo | number;
  lookup(key: Uint8Array, valueOut: Uint8Array): number;
  update(key: Uint8Array, value: Uint8Array, flags: number): number;
  delete(key: Uint8Array): number;
  updateInnerAsync(key: Uint8Array, innerFd: number, flags: number): Promise<number>;
  updateInnersAsync(keys: Uint8Array, innerFds: readonly number[], keyBytes: number): Promise<number>;
  deleteAsync(key: Uint8Array): Promise<number>;
  nextKey(key: Uint8Array | undefined, keyOut: Uint8Array): number;
  lookupBatch(
    cursor: Uint8Array | undefined,
    cursorOut: Uint8Array,
    keysOut: Uint8Array,
    valuesOut: Uint8Array,
    count: number,
  ): readonly [number, number];
  updateBatch(keys: Uint8Array, values: Uint8Array, count: number): readonly [number, number];
  deleteBatch(keys: Uint8Array, count: number): readonly [number, number];
  pin(path: string): number;
  freeze(): number;
}

export interface NativeProgramInfo {
  readonly id: number;
  readonly type: number;
  readonly name: string;
  readonly tag: string;
  readonly verifiedInsns: number;
  readonly xlatedBytes: number;
  readonly jitedBytes: number;
  readonly btfId: number;
  /** Of the program's own function in its BTF; 0 = none. */
  readonly functionTypeId: number;
  readonly createdByUid: number;
  readonly loadTimeNs: bigint;
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
  readonly mapIds: readonly number[];
}

export interface NativeProgram extends NativeHandle {
  /** `attachBtfId`: the kernel function, tracepoint or iterator of a tracing program in the kernel's BTF; 0 for others. */
  loadInstructions(
    type: number,
    expectedAttachType: number,
    name: string,
    instructions: Uint8Array,
    attachBtfId: number,
  ): number;
  openPinned(path: string): number;
  openById(id: number): number;
  adopt(fd: number): number;
  info(): NativeProgramInfo | number;
  /** `[rc, return value, bytes of data, bytes of context, nanoseconds per run]` */
  testRun(
    data: Uint8Array | undefined,
    dataOut: Uint8Array | undefined,
    context: Uint8Array | undefined,
    contextOut: Uint8Array | undefined,
    repeat: number,
    flags: number,
  ): readonly [number, number, number, number, number];
  pin(path: string): number;
}

export interface NativeLinkInfo {
  readonly id: number;
  readonly type: number;
  readonly programId: number;
  readonly ifindex?: number;
  readonly attachType?: number;
  readonly cgroupId?: bigint;
  readonly tracepoint?: string;
}

/** A program at a device's hook; 0 for no neighbour (`relative`) and for any revision. */
export type NativeDeviceAttachment = readonly [
  programFd: number,
  ifindex: number,
  attachType: number,
  flags: number,
  relative: number,
  expectedRevision: bigint,
];

export interface NativeLink extends NativeHandle {
  attachDevice(...attachment: NativeDeviceAttachment): number;
  attachCgroup(programFd: number, cgroupPath: string, attachType: number): number;
  /** `name` empty: where the program was loaded for (tp_btf, fentry, fexit). */
  attachRawTracepoint(programFd: number, name: string): number;
  openPinned(path: string): number;
  openById(id: number): number;
  info(): NativeLinkInfo | number;
  update(programFd: number): number;
  detach(): number;
  pin(path: string): number;
  /** What the kernel said when an asynchronous call opened this link. */
  openedInfo(): NativeLinkInfo;
  attachDeviceAsync(...attachment: NativeDeviceAttachment): Promise<number>;
  openPinnedAsync(path: string): Promise<number>;
  updateAsync(programFd: number): Promise<number>;
  detachAsync(): Promise<number>;
}

export interface NativeDeclaredMap {
  readonly name: string;
  readonly type: number;
  readonly keySizeBytes: number;
  readonly valueSizeBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
  readonly isInternal: boolean;
}

export interface NativeObject {
  open(bytes: Uint8Array, name: string): number;
  maps(): readonly NativeDeclaredMap[];
  mapTypes(name: string): readonly [NativeBtfType | undefined, NativeBtfType | undefined] | number;
  programs(): readonly { readonly name: string; readonly section: string; readonly type: number }[];
  rodata(): Buffer | undefined;
  setRodata(bytes: Uint8Array): number;
  setMapMaxEntries(name: string, count: number): number;
  setInnerMap(name: string, fd: number): number;
  reuseMap(name: string, fd: number): number;
  setAutoload(program: string, load: boolean): number;
  load(): number;
  mapFd(name: string): number;
  programFd(name: string): number;
  log(): string;
  close(): void;
}

export interface NativeHookQuery {
  readonly revision: bigint;
  readonly programIds: readonly number[];
  readonly linkIds: readonly number[];
}

export interface NativeMapIterator extends NativeHandle {
  open(programFd: number, mapFd: number): number;
  /** Bytes read, at most `length` and the kernel's own 32 KiB; 0 at the end. */
  read(into: Uint8Array, length: number): number;
}

export interface NativeRunStats extends NativeHandle {
  open(): number;
}

/** What the readers of ring and perf buffers have in common. */
export interface NativeRecordReader {
  /** 0 = when the kernel wakes the reader, else every so many milliseconds. */
  start(intervalMs: number): number;
  drain(): number;
  pause(): void;
  resume(): void;
  setHoldsLoop(holds: boolean): void;
  close(): void;
}

type NativeRecordCallback = (buffer: Buffer, records: Uint32Array, lost: number) => void;

export interface NativeRingBuffer extends NativeRecordReader {
  open(mapFd: number, onRecords: NativeRecordCallback): number;
}

export interface NativePerfBuffer extends NativeRecordReader {
  open(mapFd: number, pagesPerCpu: number, isTimed: boolean, onRecords: NativeRecordCallback): number;
}

export interface NativeTcFilter {
  readonly priority: number;
  readonly protocol: number;
  readonly handle: number;
  readonly kind: string;
  readonly name: string;
  readonly programId: number;
  readonly directAction: boolean;
}

/** What btf.cc makes of a type; btf.ts gives it its public shape. */
export interface NativeBtfType {
  readonly kind: "int" | "enum" | "struct" | "union" | "array" | "pointer" | "other";
  readonly name: string;
  readonly alias?: string;
  readonly sizeBytes: number;
  readonly isSigned?: boolean;
  readonly values?: readonly (readonly [string, bigint])[];
  readonly members?: readonly {
    readonly name: string;
    readonly bitOffset: number;
    readonly bitSize: number;
    readonly type: NativeBtfType | undefined;
  }[];
  readonly length?: number;
  readonly element?: NativeBtfType | undefined;
}

export interface NativeAddon {
  readonly BpfMap: new () => NativeMap;
  readonly BpfProgram: new () => NativeProgram;
  readonly BpfLink: new () => NativeLink;
  readonly BpfObject: new () => NativeObject;
  readonly MapIterator: new () => NativeMapIterator;
  readonly RunStats: new () => NativeRunStats;
  readonly PerfBuffer: new () => NativePerfBuffer;
  readonly RingBuffer: new () => NativeRingBuffer;
  /** `[rc, handle, priority, qdisc was created]` */
  clsactAttach(
    ifindex: number,
    ingress: boolean,
    programFd: number,
    handle: number,
    priority: number,
    replace: boolean,
  ): readonly [number, number, number, boolean];
  clsactDetach(ifindex: number, ingress: boolean, handle: number, priority: number): number;
  clsactDestroy(ifindex: number): number;
  clsactFilters(ifindex: number, ingress: boolean): readonly NativeTcFilter[] | number;
  kernelEnum(name: string): readonly (readonly [string, bigint])[] | undefined | number;
  /** Of functions, and of the typedefs that stand for tracepoints; 0 for names that are not there. */
  kernelBtfIds(names: readonly string[]): readonly number[] | number;
  btfTypes(btfId: number, typeIds: readonly number[]): readonly (NativeBtfType | undefined)[] | number;
  btfTypesByName(btfId: number, names: readonly string[]): readonly (NativeBtfType | undefined)[] | number;
  queryHook(target: number, attachType: number, queryFlags: number, isDevice: boolean): NativeHookQuery | number;
  interfaceIndex(name: string): number;
  interfaceName(index: number): string | undefined;
  interfaceMac(name: string, out: Uint8Array): number;
  clockNs(clockId: number): bigint;
  /** `outcome`: entries read and nanoseconds of CPU time, as two u64. All buffers are the call's until it ends. */
  lookupBatchAsync(
    mapFd: number,
    cursor: Uint8Array | undefined,
    cursorOut: Uint8Array,
    keysOut: Uint8Array,
    valuesOut: Uint8Array,
    count: number,
    outcome: Uint8Array,
  ): Promise<number>;
  netnsCookie(): bigint;
  possibleCpus(): number;
  mapIds(): number[] | number;
  programIds(): number[] | number;
  linkIds(): number[] | number;
}

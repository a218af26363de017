import { loadAddon } from "./addon.js";
import { refuseArgument, requireInteger, requireOptions, requireText, viewBytes } from "./arguments.js";
import { checkStatus, checkValue, kernelError } from "./kernel-error.js";
import type { NativeProgram, NativeProgramInfo } from "./native-addon.js";
import { NativeHandle } from "./native-handle.js";
import { type ProgramType, programTypeName } from "./program-type.js";

/** `struct bpf_prog_info`. Run time and count grow only while run statistics are on, see `RunStats`. */
export interface ProgramInfo {
  readonly id: number;
  readonly type: ProgramType;
  /** At most 15 characters. */
  readonly name: string;
  /** SHA-1 over the instructions, 16 hex digits: equal programs have equal tags. */
  readonly tag: string;
  /** Instructions that the verifier walked (5.16; 0 before). */
  readonly verifiedInsns: number;
  readonly xlatedBytes: number;
  readonly jitedBytes: number;
  /** 0 = the program carries no BTF; see `btfTypesByName`. */
  readonly btfId: number;
  /** Of the program's own function in its BTF; see `programFunctionName`. */
  readonly functionTypeId: number;
  readonly createdByUid: number;
  /** Nanoseconds since boot. */
  readonly loadTimeNs: bigint;
  readonly mapIds: readonly number[];
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
}

export interface TestRunOptions {
  /** The packet, Ethernet header included. Raw tracepoint and syscall programs take none, only a context. */
  readonly data?: Uint8Array;
  /** `struct __sk_buff`, `xdp_md`, the arguments of a raw tracepoint … as the program shall find it. */
  readonly context?: Uint8Array;
  /** Runs within the call; all but the first see what the one before left. Packets only. */
  readonly repeat?: number;
  /** Room for the packet afterwards; default: 256 bytes more than went in. */
  readonly dataOutBytes?: number;
  /** The packet as a device hands it over that sums packets up; EBADMSG when that sum is wrong afterwards. tc alone; older kernels: EINVAL. */
  readonly isSummedUp?: boolean;
}

/** `BPF_F_TEST_SKB_CHECKSUM_COMPLETE` */
const summedUpFlag = 1 << 2;

export interface TestRunResult {
  readonly retval: number;
  readonly data: Buffer;
  /** The whole context afterwards: for tc programs always, for XDP when one was handed in; empty where none comes back. */
  readonly context: Buffer;
  /** Mean of one run; 0 where the kernel does not measure it. */
  readonly durationNs: number;
}

/** Room for a context: the kernel gives back the whole of its own `struct __sk_buff` (192 bytes in 6.x) or nothing. */
const contextRoomBytes = 512;

/**
 * One loaded program. Throws KernelError: `invalid-argument`, `handle-closed`, `program-open`, `program-test-run`,
 * `program-info`, `program-pin`.
 */
export class BpfProgram extends NativeHandle<NativeProgram> {
  readonly id: number;
  readonly name: string;
  readonly type: ProgramType;

  private constructor(native: NativeProgram, info: NativeProgramInfo) {
    super(native);
    this.id = info.id;
    this.name = info.name;
    this.type = programTypeName(info.type);
  }

  static openPinned(path: string): BpfProgram {
    requireText(path, "path");
    return BpfProgram.#open(
      () => ({ code: "program-open", attempt: `open the program pinned at ${path}`, path }),
      (native) => native.openPinned(path),
    );
  }

  static openById(id: number): BpfProgram {
    requireInteger(id, "id");
    return BpfProgram.#open(
      () => ({ code: "program-open", attempt: `open program ${id}`, details: { id } }),
      (native) => native.openById(id),
    );
  }

  /** Takes over a descriptor that the addon handed out. Internal to src/kernel. */
  static adopt(fd: number): BpfProgram {
    return BpfProgram.#open(
      () => ({ code: "program-open", attempt: "take over a program's descriptor" }),
      (native) => native.adopt(fd),
    );
  }

  static #open(
    failure: () => { code: string; attempt: string; path?: string },
    open: (native: NativeProgram) => number,
  ): BpfProgram {
    const native = new (loadAddon().BpfProgram)();
    checkStatus(open(native), failure);
    const info = native.info();
    if (typeof info === "number") {
      native.close();
      throw kernelError({ ...failure(), errno: -info });
    }
    return new BpfProgram(native, info);
  }

  protected describe(): string {
    return `program ${this.name} (id ${this.id})`;
  }

  /** Asked of the kernel at each access, for the counters move. */
  get info(): ProgramInfo {
    const info = checkValue(this.use("read its info").info(), () => ({
      code: "program-info",
      attempt: `read the info of ${this.describe()}`,
    }));
    return { ...info, type: programTypeName(info.type) };
  }

  /** Runs the program on a packet, or on a context alone, without sending anything anywhere (BPF_PROG_TEST_RUN). */
  testRun(options: TestRunOptions): TestRunResult {
    const native = this.use("test-run");
    const room = testRunRoom(this.type, options);
    const [status, retval, dataBytes, contextBytes, durationNs] = native.testRun(
      room.dataIn,
      room.data.length === 0 ? undefined : room.data,
      room.contextIn,
      room.context.length === 0 || room.context === room.contextIn ? undefined : room.context,
      room.repeat,
      options.isSummedUp === true ? summedUpFlag : 0,
    );
    checkStatus(status, () => ({
      code: "program-test-run",
      attempt: `test-run ${this.describe()} on ${room.dataIn?.length ?? 0} bytes`,
      details: { programId: this.id, programType: this.type },
    }));
    return {
      retval,
      data: room.data.subarray(0, Math.min(dataBytes, room.data.length)),
      context: room.context === room.contextIn ? room.context : room.context.subarray(0, contextBytes),
      durationNs,
    };
  }

  pin(path: string): void {
    requireText(path, "path");
    checkStatus(this.use("pin").pin(path), () => ({
      code: "program-pin",
      attempt: `pin ${this.describe()} at ${path}`,
      path,
    }));
  }
}

/** Buffers of a test run. The kinds of programs differ in what they take and give back (kernel: net/bpf/test_run.c). */
interface TestRunRoom {
  /** Undefined where there is none: the kernel refuses an empty one. */
  readonly dataIn: Buffer | undefined;
  readonly data: Buffer;
  readonly contextIn: Buffer | undefined;
  /** Where the context comes back; the very `contextIn` for syscall programs, which write into it. */
  readonly context: Buffer;
  /** 0 where the kernel refuses to repeat. */
  readonly repeat: number;
}

function testRunRoom(type: ProgramType, options: TestRunOptions): TestRunRoom {
  requireOptions(options);
  const data = options.data === undefined ? undefined : viewBytes(options.data, "data");
  const context = options.context === undefined ? undefined : viewBytes(options.context, "context");
  const { repeat = 1, dataOutBytes = (data?.length ?? 0) + 256 } = options;
  requireInteger(repeat, "repeat", 1, 0x7fffffff);
  requireInteger(dataOutBytes, "dataOutBytes", 0, 1 << 24);
  const dataIn = data === undefined || data.length === 0 ? undefined : data;
  const takesContextOnly = type === "syscall" || type === "raw_tracepoint";
  if (takesContextOnly && repeat !== 1) refuseArgument("repeat", `1 for a ${type} program`, repeat);
  if (type === "syscall") {
    const own = context === undefined ? undefined : Buffer.from(context);
    return { dataIn, data: Buffer.alloc(0), contextIn: own, context: own ?? Buffer.alloc(0), repeat: 0 };
  }
  if (takesContextOnly) {
    return { dataIn, data: Buffer.alloc(0), contextIn: context, context: Buffer.alloc(0), repeat: 0 };
  }
  const isSkBuff = type === "sched_cls" || type === "sched_act" || type === "cgroup_skb";
  return {
    dataIn,
    data: Buffer.alloc(data === undefined ? 0 : dataOutBytes),
    contextIn: context,
    context: Buffer.alloc(context !== undefined || isSkBuff ? contextRoomBytes : 0),
    repeat,
  };
}

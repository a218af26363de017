import { loadAddon } from "./addon.js";
import { requireAnyBytes, requireInteger, requireText } from "./arguments.js";
import { checkStatus, checkValue, kernelError } from "./kernel-error.js";
import type { NativeProgram, NativeProgramInfo } from "./native-addon.js";
import { NativeHandle } from "./native-handle.js";
import { type ProgramType, programTypeName } from "./program-type.js";

/** `struct bpf_prog_info`. Run time and count grow only while run statistics are on, see `openRunStats`. */
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
  readonly btfId: number;
  /** Nanoseconds since boot. */
  readonly loadTimeNs: bigint;
  readonly mapIds: readonly number[];
  readonly runTimeNs: bigint;
  readonly runCount: bigint;
}

export interface TestRunOptions {
  /** The packet, Ethernet header included. */
  readonly data: Uint8Array;
  /** `struct __sk_buff`, `xdp_md` … as the program shall find it. */
  readonly context?: Uint8Array;
  /** Runs within the call; all but the first see what the one before left. */
  readonly repeat?: number;
  /** Room for the packet afterwards; default: 256 bytes more than went in. */
  readonly dataOutBytes?: number;
}

export interface TestRunResult {
  readonly retval: number;
  readonly data: Buffer;
  /** The context afterwards (for tc programs always, 192 bytes or as many as were handed in). */
  readonly context: Buffer;
  /** Mean of one run. */
  readonly durationNs: number;
}

/** `sizeof(struct __sk_buff)` of 6.x; a kernel with a shorter one fills fewer bytes and says so. */
const skBuffBytes = 192;

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

  /** Runs the program on a packet without sending it anywhere (BPF_PROG_TEST_RUN). */
  testRun(options: TestRunOptions): TestRunResult {
    const native = this.use("test-run");
    requireAnyBytes(options.data, "data");
    if (options.context !== undefined) requireAnyBytes(options.context, "context");
    requireInteger(options.repeat ?? 1, "repeat", 1, 0x7fffffff);
    requireInteger(options.dataOutBytes ?? 0, "dataOutBytes", 0, 1 << 24);
    const isSkBuff = this.type === "sched_cls" || this.type === "sched_act" || this.type === "cgroup_skb";
    const dataOut = Buffer.alloc(options.dataOutBytes ?? options.data.length + 256);
    const contextOut = Buffer.alloc(options.context?.length ?? (isSkBuff ? skBuffBytes : 0));
    const [status, retval, dataBytes, contextBytes, durationNs] = native.testRun(
      options.data.length === 0 ? undefined : options.data,
      dataOut.length === 0 ? undefined : dataOut,
      options.context,
      contextOut.length === 0 ? undefined : contextOut,
      options.repeat ?? 1,
    );
    checkStatus(status, () => ({
      code: "program-test-run",
      attempt: `test-run ${this.describe()} on ${options.data.length} bytes`,
      details: { programId: this.id, programType: this.type },
    }));
    return {
      retval,
      data: dataOut.subarray(0, Math.min(dataBytes, dataOut.length)),
      context: contextOut.subarray(0, Math.min(contextBytes, contextOut.length)),
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

import type { TrafficDirection } from "../kernel/attach-type.js";
import type { BpfProgram } from "../kernel/bpf-program.js";

export interface DeviceHook {
  readonly ifindex: number;
  readonly direction: TrafficDirection;
}

export interface HookFacts {
  readonly name: string;
  readonly programId: number;
  /** 0: the device is gone, or the hook is none of a device. */
  readonly ifindex: number;
}

/**
 * Named attachments of tc programs to devices. They outlive the process, take a new program in one step, and leave the
 * programs of others on the same device alone. Two kinds: pinned tcx links, and clsact filters for kernels before 6.6.
 * Different names may be worked on at once; one name by one caller at a time.
 */
export interface DeviceHooks {
  ensureDevice(name: string, program: BpfProgram, hook: DeviceHook): Promise<void>;
  /** Undefined without an attachment of that name. */
  find(name: string): Promise<HookFacts | undefined>;
  names(): readonly string[];
  list(): Promise<readonly HookFacts[]>;
  /** Detaches and forgets; absence is not an error. */
  remove(name: string): Promise<void>;
}

import { loadAddon } from "./addon.js";
import { checkStatus } from "./kernel-error.js";
import type { NativeRunStats } from "./native-addon.js";
import { NativeHandle } from "./native-handle.js";

/**
 * While one of these is open the kernel counts runs and run time of all programs (5.8); it costs each run some 20 ns. By
 * descriptor, never by the sysctl `kernel.bpf_stats_enabled`: it ends with the handle or the process, and whoever else uses
 * the statistics is left alone.
 */
export class RunStats extends NativeHandle<NativeRunStats> {
  /** @throws KernelError `run-stats` */
  static open(): RunStats {
    const native = new (loadAddon().RunStats)();
    checkStatus(native.open(), () => ({ code: "run-stats", attempt: "switch on run statistics" }));
    return new RunStats(native);
  }

  protected describe(): string {
    return "the run statistics";
  }
}

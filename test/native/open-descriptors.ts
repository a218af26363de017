import { readdirSync, readlinkSync } from "node:fs";

/** How many descriptors of BPF objects this process has open; Node opens and closes others of its own. */
export function openDescriptors(kinds = /bpf/): number {
  return readdirSync("/proc/self/fd").filter((fd) => {
    try {
      return kinds.test(readlinkSync(`/proc/self/fd/${fd}`));
    } catch {
      return false; // the descriptor that read the folder
    }
  }).length;
}

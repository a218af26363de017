import { loadAddon } from "./addon.js";
import { requireInteger, requireText } from "./arguments.js";
import { Errno } from "./errno.js";
import { checkStatus } from "./kernel-error.js";

const clockIds = { monotonic: 1, boottime: 7 } as const;

/** Index of an interface in the network namespace of this thread, undefined when there is none of this name. */
export function interfaceIndex(name: string): number | undefined {
  requireText(name, "name");
  const index = loadAddon().interfaceIndex(name);
  return index === 0 ? undefined : index;
}

export function interfaceName(index: number): string | undefined {
  requireInteger(index, "index", 1);
  return loadAddon().interfaceName(index);
}

/** The six bytes of an interface's hardware address, undefined when there is no such interface. */
export function interfaceMac(name: string): Buffer | undefined {
  requireText(name, "name");
  const mac = Buffer.alloc(6);
  const status = loadAddon().interfaceMac(name, mac);
  if (status === -Errno.ENODEV) return undefined;
  checkStatus(status, () => ({ code: "interface-mac", attempt: `read the hardware address of ${name}` }));
  return mac;
}

/** CLOCK_MONOTONIC, the clock of `bpf_ktime_get_ns`. */
export function monotonicNowNs(): bigint {
  return loadAddon().clockNs(clockIds.monotonic);
}

/** CLOCK_BOOTTIME, the clock of `bpf_ktime_get_boot_ns`; differs from monotonic by the time spent suspended. */
export function bootNowNs(): bigint {
  return loadAddon().clockNs(clockIds.boottime);
}

/** What the kernel's programs call the network namespace of this thread (SO_NETNS_COOKIE); 0 before Linux 5.14. */
export function netnsCookie(): bigint {
  return loadAddon().netnsCookie();
}

/** CPUs that could ever be there: the number of values in each entry of a per-CPU map. */
export function possibleCpus(): number {
  return checkStatus(loadAddon().possibleCpus(), () => ({
    code: "possible-cpus",
    attempt: "read /sys/devices/system/cpu/possible",
  }));
}

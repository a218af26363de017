import { readFileSync, statfsSync } from "node:fs";
import { dirname } from "node:path";
import { Errno } from "./errno.js";

/** `BPF_FS_MAGIC` of include/uapi/linux/magic.h. */
const bpffsMagic = 0xcafe4a11;

/** Bit numbers of include/uapi/linux/capability.h. */
const capabilityBits = { CAP_NET_ADMIN: 12, CAP_SYS_ADMIN: 21, CAP_PERFMON: 38, CAP_BPF: 39 } as const;

/** The effective capabilities of this process that bpf(2) asks for and that it lacks. CAP_SYS_ADMIN stands for all. */
export function missingBpfCapabilities(statusText: string = readStatus()): readonly string[] {
  const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(statusText)?.[1] ?? "0"}`);
  const has = (name: keyof typeof capabilityBits) => ((effective >> BigInt(capabilityBits[name])) & 1n) === 1n;
  if (has("CAP_SYS_ADMIN")) return [];
  return (["CAP_BPF", "CAP_NET_ADMIN", "CAP_PERFMON"] as const).filter((name) => !has(name));
}

/** True where `path` (or its folder, when it does not exist yet) lies on a BPF file system. */
export function isOnBpffs(path: string): boolean {
  for (const candidate of [path, dirname(path)]) {
    try {
      return statfsSync(candidate).type === bpffsMagic;
    } catch {
      // not there yet: ask for its folder
    }
  }
  return false;
}

/** What usually causes a refusal, found out by asking the system instead of guessing from errno alone. */
export function hintForFailure(failure: {
  readonly code: string;
  readonly errno: number;
  readonly path?: string;
}): string | undefined {
  const { code, errno, path } = failure;
  if (errno === Errno.EPERM || errno === Errno.EACCES) {
    const missing = missingBpfCapabilities();
    if (missing.length > 0) {
      return `This process lacks ${missing.join(", ")}: run as root, or give it CAP_BPF, CAP_NET_ADMIN and CAP_PERFMON.`;
    }
  }
  if (path !== undefined && (code.endsWith("-pin") || code.endsWith("-open")) && !isOnBpffs(path)) {
    return `${path} is not on a BPF file system: mount one with "mount -t bpf bpf /sys/fs/bpf".`;
  }
  if (errno === Errno.EPERM && code.startsWith("map-")) {
    return "The map is frozen, or was opened read-only: maps that we do not own are never opened for writing.";
  }
  if (errno === Errno.EINVAL && code.endsWith("-open"))
    return `What is pinned there is no ${code.slice(0, -"-open".length)}.`;
  if (errno === Errno.ENOENT && code.endsWith("-open")) return "Nothing with this path or id exists (any more).";
  if (errno === Errno.E2BIG) return "The map is full, or the index lies beyond its last entry.";
  if (errno === Errno.ENOMEM) return "The kernel has no memory for it: a smaller max_entries may fit.";
  if (errno === Errno.ENODEV) return "The interface went away, or lies in another network namespace.";
  return undefined;
}

function readStatus(): string {
  try {
    return readFileSync("/proc/self/status", "utf8");
  } catch {
    return "";
  }
}

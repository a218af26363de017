import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";

/** A network namespace that holds a wanted address, and one process in it. */
export interface PodNamespace {
  readonly address: string;
  /** Any process of the namespace; `/proc/<pid>/ns/net` opens it. */
  readonly pid: number;
}

/**
 * Finds the network namespaces that own the given addresses by asking the kernel, not a runtime: every process tells
 * its namespace, and `/proc/<pid>/net` the addresses in it.
 * @param cgroupPath only processes of this branch: several labs on one machine may use the same addresses
 */
export async function findPodNamespaces(
  addresses: readonly string[],
  cgroupPath: string | undefined,
): Promise<readonly PodNamespace[]> {
  const wanted = new Set(addresses);
  const pids = cgroupPath === undefined ? await allProcesses() : await processesBelow(cgroupPath);
  const own = await readlink("/proc/self/ns/net").catch(() => "");
  const visited = new Set<string>([own]);
  const found: PodNamespace[] = [];
  for (const pid of pids) {
    const namespace = await readlink(`/proc/${pid}/ns/net`).catch(() => undefined);
    if (namespace === undefined || visited.has(namespace)) continue;
    visited.add(namespace);
    const local = await localAddresses(pid);
    for (const address of local) if (wanted.has(address)) found.push({ address, pid });
    if (found.length >= wanted.size) break;
  }
  return found;
}

async function allProcesses(): Promise<readonly number[]> {
  const entries = await readdir("/proc");
  return entries.filter((name) => /^\d+$/.test(name)).map(Number);
}

/** Processes of a cgroup and of all below it. */
async function processesBelow(path: string): Promise<readonly number[]> {
  const procs = await readFile(join(path, "cgroup.procs"), "utf8").catch(() => "");
  const own = procs
    .split("\n")
    .filter((line) => line !== "")
    .map(Number);
  const entries = await readdir(path, { withFileTypes: true }).catch(() => []);
  const below = await Promise.all(
    entries.filter((entry) => entry.isDirectory()).map((entry) => processesBelow(join(path, entry.name))),
  );
  return [...own, ...below.flat()];
}

/** Addresses of the process's network namespace, canonical texts, loopback left out. */
async function localAddresses(pid: number): Promise<readonly string[]> {
  const trie = await readFile(`/proc/${pid}/net/fib_trie`, "utf8").catch(() => "");
  return parseFibTrie(trie);
}

/**
 * The local addresses in `/proc/net/fib_trie`: a leaf line with the address, then one that says `/32 host LOCAL`.
 * linux/net/ipv4/fib_trie.c, fib_trie_seq_show
 */
export function parseFibTrie(text: string): readonly string[] {
  const addresses = new Set<string>();
  let leaf: string | undefined;
  for (const line of text.split("\n")) {
    const match = /\|-- (\d+\.\d+\.\d+\.\d+)/.exec(line);
    if (match !== null) leaf = match[1];
    else if (leaf !== undefined && line.includes("/32 host LOCAL") && !leaf.startsWith("127.")) addresses.add(leaf);
  }
  return [...addresses];
}

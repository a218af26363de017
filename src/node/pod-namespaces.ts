import { readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { IpAddress } from "../lib/ip.js";

/** A network namespace that holds wanted addresses, and one process in it. */
export interface PodNamespace {
  /** Those of the wanted ones that it has. */
  readonly addresses: readonly string[];
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
  const visited = new Set<string>([await readlink("/proc/self/ns/net").catch(() => "")]);
  const found: PodNamespace[] = [];
  for (const pid of pids) {
    const namespace = await readlink(`/proc/${pid}/ns/net`).catch(() => undefined);
    if (namespace === undefined || visited.has(namespace)) continue;
    visited.add(namespace);
    const own = (await localAddresses(pid)).filter((address) => wanted.delete(address));
    if (own.length > 0) found.push({ addresses: own, pid });
    if (wanted.size === 0) break;
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
  const [trie, ifInet6] = await Promise.all(
    ["fib_trie", "if_inet6"].map((file) => readFile(`/proc/${pid}/net/${file}`, "utf8").catch(() => "")),
  );
  return [...parseFibTrie(trie!), ...parseIfInet6(ifInet6!)];
}

/**
 * The addresses of global scope in `/proc/net/if_inet6`: address, index, prefix length, scope, flags, device.
 * linux/net/ipv6/addrconf.c, if6_seq_show
 */
export function parseIfInet6(text: string): readonly string[] {
  const lines = text.matchAll(/^([0-9a-f]{32}) [0-9a-f]+ [0-9a-f]+ 00 /gm);
  return [...lines].map(([, hex]) => IpAddress.fromBytes(Buffer.from(hex!, "hex")).text);
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

import { readdir, readFile, readlink } from "node:fs/promises";
import { IpAddress } from "../lib/ip.js";
import type { SocketRow } from "../model/sockets.js";

/** TCP states by number. include/net/tcp_states.h */
const tcpStates = [
  "unknown",
  "established",
  "syn-sent",
  "syn-recv",
  "fin-wait-1",
  "fin-wait-2",
  "time-wait",
  "closed",
  "close-wait",
  "last-ack",
  "listen",
  "closing",
  "syn-recv",
] as const;

/** A line of `/proc/net/tcp` or `/proc/net/udp`. */
export interface ProcSocket
  extends Pick<SocketRow, "protocol" | "state" | "local" | "localPort" | "peer" | "peerPort"> {
  readonly inode: number;
}

/** Sockets of a process's network namespace without the help of any tool; they have no cookies. */
export async function readProcSockets(pid: number, podAddresses: readonly IpAddress[]): Promise<readonly SocketRow[]> {
  const files = [
    ["tcp", 6],
    ["tcp6", 6],
    ["udp", 17],
    ["udp6", 17],
  ] as const;
  const texts = await Promise.all(files.map(([name]) => readFile(`/proc/${pid}/net/${name}`, "utf8").catch(() => "")));
  const sockets = texts.flatMap((text, index) => parseProcSockets(text, files[index]![1]));
  const owners = await findSocketOwners(await readlink(`/proc/${pid}/ns/net`));
  return sockets.map(({ inode, ...socket }) => ({ ...socket, podAddresses, ...owners.get(inode) }));
}

/** Parses `/proc/net/{tcp,udp}[6]`. Addresses are hexadecimal words in host order. Documentation/networking/proc_net_tcp.rst */
export function parseProcSockets(text: string, protocol: number): readonly ProcSocket[] {
  return text
    .split("\n")
    .slice(1)
    .flatMap((line) => {
      const words = line.trim().split(/\s+/);
      const [, localText, peerText, stateText, , , , , , inodeText] = words;
      if (localText === undefined || peerText === undefined || stateText === undefined) return [];
      const local = parseHexEnd(localText);
      const peer = parseHexEnd(peerText);
      const state = Number.parseInt(stateText, 16);
      const name = protocol === 17 ? (state === 1 ? "established" : "unconnected") : (tcpStates[state] ?? "unknown");
      return [
        {
          protocol,
          state: name,
          local: local.address,
          localPort: local.port,
          peer: peer.address,
          peerPort: peer.port,
          inode: Number(inodeText),
        },
      ];
    });
}

function parseHexEnd(text: string): { readonly address: IpAddress; readonly port: number } {
  const [addressText = "", portText = "0"] = text.split(":");
  const bytes = Buffer.from(addressText, "hex");
  for (let word = 0; word < bytes.length; word += 4) bytes.subarray(word, word + 4).reverse();
  const isMapped = bytes.length === 16 && bytes.subarray(0, 12).toString("hex") === "00000000000000000000ffff";
  return { address: IpAddress.fromBytes(isMapped ? bytes.subarray(12) : bytes), port: Number.parseInt(portText, 16) };
}

interface SocketOwner {
  readonly pid: number;
  readonly command: string;
}

/** Socket inode → process, of the processes in one network namespace. */
async function findSocketOwners(namespace: string): Promise<ReadonlyMap<number, SocketOwner>> {
  const owners = new Map<number, SocketOwner>();
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const own = await readlink(`/proc/${name}/ns/net`).catch(() => undefined);
    if (own !== namespace) continue;
    const command = (await readFile(`/proc/${name}/comm`, "utf8").catch(() => "")).trim();
    for (const fd of await readdir(`/proc/${name}/fd`).catch(() => [])) {
      const target = await readlink(`/proc/${name}/fd/${fd}`).catch(() => "");
      const inode = /^socket:\[(\d+)\]$/.exec(target)?.[1];
      if (inode !== undefined) owners.set(Number(inode), { pid: Number(name), command });
    }
  }
  return owners;
}

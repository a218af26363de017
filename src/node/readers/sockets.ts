import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { SystemError } from "../../lib/errors.js";
import { IpAddress } from "../../lib/ip.js";
import type { RowStream, SocketsRequest } from "../../model/readers.js";
import type { SocketRow } from "../../model/sockets.js";
import type { NodeContext } from "../node-context.js";
import { findPodNamespaces, type PodNamespace } from "../pod-namespaces.js";
import { readProcSockets } from "../proc-sockets.js";
import { parseSocketList } from "../socket-list.js";

const run = promisify(execFile);
/** Half a million sockets print about 80 MB; a pod has far fewer. */
const outputLimitBytes = 64 * 1024 * 1024;

/** TCP and UDP sockets of pods, with their processes and cookies. Pods that have no process any more are left out. */
export async function* readSockets(
  context: NodeContext,
  request: SocketsRequest,
  signal: AbortSignal,
): RowStream<SocketRow> {
  const namespaces = await findPodNamespaces(request.addresses, context.place.cgroupPath);
  const notes = new Set<string>();
  let rowsRead = 0;
  for (const namespace of namespaces) {
    if (signal.aborted) return { state: "partial", reason: "interrupted", rowsRead, restarts: 0, mapsRead: 0 };
    const sockets = (await listSockets(namespace, notes, signal)).filter(isOfItsAddresses);
    rowsRead += sockets.length;
    if (sockets.length > 0) yield sockets.map((socket) => ({ ...socket, node: context.place.name }));
  }
  return {
    state: "complete",
    rowsRead,
    restarts: 0,
    mapsRead: 0,
    ...(notes.size === 0 ? {} : { notes: [...notes] }),
  };
}

/** Connections of a family that nobody asked for are left out. Whoever listens on every address may do so for both. */
function isOfItsAddresses({ podAddresses, peer, peerPort }: SocketRow): boolean {
  return peerPort === 0 || podAddresses.some(({ family }) => family === peer.family);
}

/** `ss` knows the socket cookies; without it /proc still gives sockets and processes. */
async function listSockets(
  { pid, addresses }: PodNamespace,
  notes: Set<string>,
  signal: AbortSignal,
): Promise<readonly SocketRow[]> {
  const podAddresses = addresses.map((address) => IpAddress.parse(address));
  try {
    const { stdout } = await run("nsenter", [`--net=/proc/${pid}/ns/net`, "ss", "-tuanpeOH"], {
      maxBuffer: outputLimitBytes,
      signal,
      env: { ...process.env, LC_ALL: "C" },
    });
    return parseSocketList(stdout, podAddresses);
  } catch (error) {
    if (signal.aborted) return [];
    const { code, message } = error as NodeJS.ErrnoException;
    // 127 is nsenter's exit code where it finds no `ss`.
    if (code === "ENOENT" || String(code) === "127") {
      notes.add("ss (iproute2) is missing: sockets have no cookies, so what they dialled is not known");
      return readProcSockets(pid, podAddresses);
    }
    throw new SystemError("sockets-unreadable", `listing the sockets of ${addresses.join()} failed: ${message}`, {
      cause: error,
    });
  }
}

import { IpAddress } from "../lib/ip.js";
import type { SocketRow } from "../model/sockets.js";

/** `ss`'s names of states that differ from the usual ones. */
const stateNames: Readonly<Record<string, string>> = { ESTAB: "established", UNCONN: "unconnected" };

/**
 * Parses the output of `ss -tuanpeOH`: one socket a line, `Netid State Recv-Q Send-Q Local Peer` and then details in
 * the form `users:(("name",pid=1,fd=3))`, `ino:…`, `sk:<cookie in hex>`. Lines that are no such sockets are left out.
 */
export function parseSocketList(text: string, podAddresses: readonly IpAddress[]): readonly SocketRow[] {
  return text.split("\n").flatMap((line) => parseSocket(line, podAddresses) ?? []);
}

function parseSocket(line: string, podAddresses: readonly IpAddress[]): SocketRow | undefined {
  const words = line.trim().split(/\s+/);
  const [kind, state, , , localText, peerText] = words;
  if (state === undefined || localText === undefined || peerText === undefined) return undefined;
  const protocol = kind === "tcp" ? 6 : kind === "udp" ? 17 : undefined;
  const local = parseEnd(localText);
  const peer = parseEnd(peerText);
  if (protocol === undefined || local === undefined || peer === undefined) return undefined;
  const cookie = /\bsk:([0-9a-f]+)\b/.exec(line)?.[1];
  const user = /users:\(\("((?:[^"\\]|\\.)*)",pid=(\d+)/.exec(line);
  return {
    podAddresses,
    protocol,
    state: stateNames[state] ?? state.toLowerCase(),
    local: local.address,
    localPort: local.port,
    peer: peer.address,
    peerPort: peer.port,
    cookie: cookie === undefined ? undefined : BigInt(`0x${cookie}`),
    command: user?.[1],
    pid: user === null ? undefined : Number(user[2]),
  };
}

/** `10.0.0.1:80`, `[::ffff:10.0.0.1]:80`, `0.0.0.0%lo:53`, `*:*` */
function parseEnd(text: string): { readonly address: IpAddress; readonly port: number } | undefined {
  const colon = text.lastIndexOf(":");
  const portText = text.slice(colon + 1);
  const host = text
    .slice(0, colon)
    .replace(/%.*$/, "")
    .replace(/^\[|\]$/g, "");
  const address = IpAddress.tryParse(host === "*" ? "::" : host.replace(/^::ffff:(?=\d+\.)/, ""));
  const port = portText === "*" ? 0 : Number(portText);
  return address === undefined || !Number.isInteger(port) ? undefined : { address, port };
}

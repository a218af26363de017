import type { IpAddress } from "../lib/ip.js";
import type { NodeRowBase } from "./rows.js";

/** One TCP or UDP socket of a pod, as the kernel's socket diagnostics list it (`ss -tuanpe`). */
export interface SocketRow extends NodeRowBase {
  /** Addresses of the pod in whose network namespace the socket lives, as far as they were asked for; never empty. */
  readonly podAddresses: readonly IpAddress[];
  /** IP protocol number: 6 or 17. */
  readonly protocol: number;
  /** `established`, `listen`, `time-wait` … in `ss`'s words, lower case. */
  readonly state: string;
  readonly local: IpAddress;
  readonly localPort: number;
  /** Unspecified address and port 0 for listeners and unconnected sockets. */
  readonly peer: IpAddress;
  readonly peerPort: number;
  /** The kernel's socket cookie, the key of the socket LB's reverse map; absent where `ss` is missing. */
  readonly cookie?: bigint | undefined;
  /** Pid as the session's host sees it; absent when the process could not be found. */
  readonly pid?: number | undefined;
  readonly command?: string | undefined;
}

/** The pod's address that stands in the socket's packets. */
export function podAddressOf({ podAddresses, peer }: Pick<SocketRow, "podAddresses" | "peer">): IpAddress {
  return podAddresses.find(({ family }) => family === peer.family) ?? podAddresses[0]!;
}

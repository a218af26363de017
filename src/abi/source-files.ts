import { ownSourceFiles } from "./generated/source-files.js";
import type { Release } from "./release.js";

/** Ids from here on are ours (bpf/lib/source_files.h); upstream's end at 117. */
export const firstOwnFileId = 200;

const programs: Readonly<Record<number, string>> = {
  1: "bpf_host.c",
  2: "bpf_lxc.c",
  3: "bpf_overlay.c",
  4: "bpf_xdp.c",
  5: "bpf_sock.c",
  6: "bpf_network.c",
  7: "bpf_wireguard.c",
};

const headers116 = "arp drop srv6 icmp6 nodeport lb mcast ipv4 conntrack l3 trace encap encrypt";
const headers117 = `${headers116} host_firewall nodeport_egress`;
const headers118 = `${headers117.replace("l3", "local_delivery")} ipv6 classifiers`;
const headers119 =
  "drop srv6 icmp6 nodeport lb mcast ipv4 conntrack local_delivery trace encap host_firewall nodeport_egress ipv6 classifiers";

/** Headers count from 101 and were renumbered between releases. Up to 1.15 the metrics map has no file. */
const headersOf: Partial<Record<Release, string>> = {
  "1.16": headers116,
  "1.17": headers117,
  "1.18": headers118,
  "1.19": headers119,
  "1.20": headers119,
};

/** Name of the source file that counted or dropped; `unknown(<id>)` as upstream prints it. */
export function sourceFileName(id: number, release: Release): string {
  const own = ownSourceFiles[id];
  if (own !== undefined) return own;
  const isFreed = id === 6 && release === "1.20";
  const program = isFreed ? undefined : programs[id];
  const header = id > 100 ? headersOf[release]?.split(" ")[id - 101] : undefined;
  return program ?? (header === undefined ? `unknown(${id})` : `${header}.h`);
}

import { isReleaseSince } from "../model/upstream-release.js";
import { ownSourceFiles } from "./generated/source-files.js";
import { ownRelease, type Release } from "./release.js";

/** Ids from here on are ours (bpf/lib/source_files.h); upstream's end at 117. */
export const firstOwnFileId = 200;

const programs = ["host", "lxc", "overlay", "xdp", "sock", "network", "wireguard"];

const headers114 = "arp drop egress_policies icmp6 nodeport";
const headers115 = "arp drop srv6 icmp6 nodeport lb encrypt mcast";
const headers116 = "arp drop srv6 icmp6 nodeport lb mcast ipv4 conntrack l3 trace encap encrypt";
const headers117 = `${headers116} host_firewall nodeport_egress`;
const headers118 = `${headers117.replace("l3", "local_delivery")} ipv6 classifiers`;
const headers119 =
  "drop srv6 icmp6 nodeport lb mcast ipv4 conntrack local_delivery trace encap host_firewall nodeport_egress ipv6 classifiers";

/** Headers count from 101 and were renumbered between releases. Up to 1.15 only drops have a file. */
const headersOf: Readonly<Record<Release, string>> = {
  "1.14": headers114,
  "1.15": headers115,
  "1.16": headers116,
  "1.17": headers117,
  "1.18": headers118,
  "1.19": headers119,
  "1.20": headers119,
};

/** Name of the source file that counted or dropped; for an unknown id what upstream prints for it. */
export function sourceFileName(id: number, release: Release): string {
  const own = release === ownRelease ? ownSourceFiles[id] : undefined;
  if (own !== undefined) return own;
  const program = hasProgram(id, release) ? programs[id - 1] : undefined;
  if (program !== undefined) return `bpf_${program}.c`;
  const header = id > 100 ? headersOf[release].split(" ")[id - 101] : undefined;
  if (header !== undefined) return `${header}.h`;
  return isReleaseSince(release, "1.16") ? `unknown(${id})` : `<unknown-id-${id}>`;
}

/** Up to 1.15 there were four; id 6 is free again since 1.20. */
function hasProgram(id: number, release: Release): boolean {
  return isReleaseSince(release, "1.16") ? !(id === 6 && isReleaseSince(release, "1.20")) : id <= 4;
}

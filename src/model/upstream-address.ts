import type { IpAddress, IpPrefix } from "../lib/ip.js";
import { isReleaseSince, type UpstreamRelease } from "./upstream-release.js";

/**
 * An address as upstream's tool prints it: before release `netipSince` by Go's `net.IP`, which takes an IPv4-mapped
 * address for the IPv4 address in it, from then on by `netip.Addr`, which does not.
 */
export function upstreamAddress(
  address: IpAddress,
  release: UpstreamRelease,
  netipSince: UpstreamRelease = "1.20",
): string {
  return isReleaseSince(release, netipSince) ? address.text : address.unmappedText;
}

/** As {@link upstreamAddress}, with a port: an IPv6 address stands in brackets whatever it prints as. */
export function upstreamEnd(address: IpAddress, port: number, release: UpstreamRelease): string {
  const text = upstreamAddress(address, release);
  return `${address.family === 6 ? `[${text}]` : text}:${port}`;
}

const mappedBits = 96;

/** As {@link upstreamAddress}, by Go's `net.IPNet` and `netip.Prefix`. */
export function upstreamPrefix(
  { address, length, text }: IpPrefix,
  release: UpstreamRelease,
  netipSince: UpstreamRelease = "1.20",
): string {
  if (!address.isV4Mapped || isReleaseSince(release, netipSince)) return text;
  return `${address.unmappedText}/${length - mappedBits}`;
}

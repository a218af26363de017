/** A connected socket as `ss -Hune` prints it. */
export interface DiagnosedSocket {
  /** `10.0.0.1:4000`, `[fd00::1]:4000`; what `ss` takes as a filter. */
  readonly local: string;
  readonly peer: string;
  readonly cookie: bigint;
}

/** Lines that are no socket with a peer and a cookie are left out. An interface behind an address (`%eth0`) goes. */
export function parseSockets(text: string): readonly DiagnosedSocket[] {
  return text.split("\n").flatMap((line) => {
    const ends = [...line.matchAll(/(?<=\s)(\[[0-9a-f:.]+\]|[0-9.]+)(?:%[^\s:]+)?:(\d+)(?=\s)/gi)];
    const [local, peer] = ends.map(([, address, port]) => `${address}:${port}`);
    const cookie = /\ssk:([0-9a-f]+)(\s|$)/i.exec(line)?.[1];
    if (local === undefined || peer === undefined || cookie === undefined) return [];
    return [{ local: unmapped(local), peer: unmapped(peer), cookie: BigInt(`0x${cookie}`) }];
  });
}

/** `[::ffff:10.0.0.1]:80` is a socket of IPv6 that talks IPv4. */
function unmapped(end: string): string {
  return end.replace(/^\[::ffff:([0-9.]+)\]/i, "$1");
}

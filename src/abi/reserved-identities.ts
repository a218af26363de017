/** Security identities with a fixed meaning and their names without the `reserved:` source. */
export const reservedIdentities: Readonly<Record<number, string>> = {
  0: "unknown",
  1: "host",
  2: "world",
  3: "unmanaged",
  4: "health",
  5: "init",
  6: "remote-node",
  7: "kube-apiserver",
  8: "ingress",
  9: "world-ipv4",
  10: "world-ipv6",
};

/** `host` for 1; undefined for identities that are allocated. */
export function reservedIdentityName(identity: number): string | undefined {
  return reservedIdentities[identity];
}

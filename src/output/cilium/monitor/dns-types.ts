/** Names of DNS record types as upstream's monitor has them: the first number of a run, then the names. */
const runs: readonly (readonly [first: number, names: string])[] = [
  [0, "None A NS MD MF CNAME SOA MB MG MR NULL"],
  [12, "PTR HINFO MINFO MX TXT RP AFSDB X25 ISDN RT"],
  [23, "NSAP-PTR SIG KEY PX GPOS AAAA LOC NXT EID NIMLOC SRV ATMA NAPTR KX CERT"],
  [39, "DNAME"],
  [41, "OPT APL DS SSHFP"],
  [46, "RRSIG NSEC DNSKEY DHCID NSEC3 NSEC3PARAM TLSA SMIMEA"],
  [55, "HIP NINFO RKEY TALINK CDS CDNSKEY OPENPGPKEY CSYNC ZONEMD SVCB HTTPS"],
  [99, "SPF UINFO UID GID UNSPEC NID L32 L64 LP EUI48 EUI64"],
  [249, "TKEY TSIG IXFR AXFR MAILB MAILA ANY URI CAA AVC"],
  [32768, "TA DLV"],
  [65535, "Reserved"],
];

const names: ReadonlyMap<number, string> = new Map(
  runs.flatMap(([first, words]) => words.split(" ").map((name, index): [number, string] => [first + index, name])),
);

/** `AAAA` for 28; empty for a type that has no name. */
export function dnsTypeName(type: number): string {
  return names.get(type) ?? "";
}

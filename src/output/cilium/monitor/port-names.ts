import { isReleaseSince, type UpstreamRelease } from "../../../model/upstream-release.js";
import { portNames, portNamesUntil116 } from "./port-name-data.js";

export type PortProtocol = "tcp" | "udp" | "sctp";

/** Which protocols an entry's sign stands for. */
const protocolsOf: Readonly<Record<string, readonly PortProtocol[]>> = {
  ":": ["tcp", "udp"],
  ";": ["tcp"],
  ",": ["udp"],
  "!": ["sctp"],
  "*": ["tcp", "udp", "sctp"],
  "&": ["tcp", "sctp"],
  "^": ["udp", "sctp"],
};

/** The names of ports that upstream's monitor of a release prints; unpacked when the first one is asked for. */
export class PortNames {
  readonly #release: UpstreamRelease;
  #names: ReadonlyMap<string, string> | undefined;

  constructor(release: UpstreamRelease) {
    this.#release = release;
  }

  /** `8080(http-alt)`, or the number alone. */
  text(protocol: PortProtocol, port: number): string {
    this.#names ??= unpack(isReleaseSince(this.#release, "1.17") ? [portNames] : [portNames, portNamesUntil116]);
    const name = this.#names.get(`${protocol} ${port}`);
    return name === undefined || name === "" ? String(port) : `${port}(${name})`;
  }
}

function unpack(lists: readonly string[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const list of lists) {
    let port = 0;
    for (const entry of list.split(" ")) {
      const [, distance = "", sign = "", name = ""] = /^([0-9a-z]+)([:;,!*&^])(.*)$/.exec(entry) ?? [];
      port += Number.parseInt(distance, 36);
      for (const protocol of protocolsOf[sign] ?? []) names.set(`${protocol} ${port}`, name.replaceAll("~", " "));
    }
  }
  return names;
}

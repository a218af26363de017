import { parseIcmpType } from "./icmp-types.js";
import { type Fields, type PolicyReader, wordOf } from "./policy-reader.js";
import type { PolicyPort, PortRange } from "./policy-rule.js";

const protocolNumbers: Readonly<Record<string, number>> = { TCP: 6, UDP: 17, SCTP: 132 };
const icmpProtocol = { 4: 1, 6: 58 } as const;
const extendedProtocols = ["VRRP", "IGMP", "GRE", "IPIP", "IPV6", "ESP", "AH"];

/** A container port's name (RFC 6335): up to 15 letters, digits and single dashes, with a letter. */
const portName = /^(?=.{1,15}$)(?=.*[A-Za-z])[A-Za-z0-9]+(?:-[A-Za-z0-9]+)*$/;
/** Upstream's bound of ports and of ICMP types in one list. */
const MAX_ITEMS = 40;

/** `ports[]` of a NetworkPolicy: the protocol is TCP unless it says otherwise; without a port every port is meant. */
export function parseKubePort(reader: PolicyReader, item: unknown, path: string): readonly PolicyPort[] | undefined {
  const fields = reader.fields(item, path);
  if (fields === undefined || !reader.hasOnly(fields, path, ["protocol", "port", "endPort"])) return undefined;
  const name = wordOf(fields.protocol ?? "TCP");
  if (!Object.hasOwn(protocolNumbers, name)) return reader.report(`${path}.protocol`, "must be TCP, UDP or SCTP");
  const protocol = protocolNumbers[name]!;
  const { port, endPort } = fields;
  if (port === undefined || port === null) {
    if (endPort !== undefined && endPort !== null)
      return reader.report(`${path}.endPort`, "needs a port to begin with");
    return [wholeProtocol(protocol)];
  }
  if (typeof port === "string" && portName.test(port)) return namedPorts(reader, [protocol], port, endPort, path);
  const first = isPort(port) ? port : undefined;
  if (first === undefined) return reader.report(`${path}.port`, `${JSON.stringify(port)} is neither a port nor a name`);
  return ranges(reader, [protocol], first, endPort, path);
}

/** What upstream has in `toPorts[]` beside the ports. */
const refusedOfPorts: Readonly<Record<string, string>> = {
  terminatingTLS: "terminating TLS is not supported",
  originatingTLS: "originating TLS is not supported",
  serverNames: "TLS server names are not supported",
  listener: "listeners of a proxy are not supported",
};

const refusedLayer7 = Object.fromEntries(
  ["http", "dns", "kafka", "l7proto", "l7"].map((name) => [name, "layer 7 rules are not supported yet"]),
);

/** One of `toPorts[]` of a rule of cilium.io/v2. One without ports is about nothing, as upstream. */
export function parsePortRule(reader: PolicyReader, item: unknown, path: string): readonly PolicyPort[] | undefined {
  const fields = reader.fields(item, path);
  if (fields === undefined || !hasNoLayer7(reader, fields, path)) return undefined;
  const ports = reader.list(fields.ports, `${path}.ports`) ?? [];
  if (ports.length > MAX_ITEMS) return reader.report(`${path}.ports`, `has more than ${MAX_ITEMS} ports`);
  return reader.items(ports, `${path}.ports`, (port, at) => parsePort(reader, port, at)).flat();
}

function hasNoLayer7(reader: PolicyReader, { rules, ...others }: Fields, path: string): boolean {
  const hasNoOther = reader.hasOnly(others, path, ["ports"], refusedOfPorts);
  if (rules === undefined || rules === null) return hasNoOther;
  const layer7 = reader.fields(rules, `${path}.rules`);
  return layer7 !== undefined && reader.hasOnly(layer7, `${path}.rules`, [], refusedLayer7) && hasNoOther;
}

function parsePort(reader: PolicyReader, item: unknown, path: string): readonly PolicyPort[] | undefined {
  const fields = reader.fields(item, path);
  if (fields === undefined || !reader.hasOnly(fields, path, ["port", "endPort", "protocol"])) return undefined;
  const protocols = parseProtocol(reader, fields.protocol, `${path}.protocol`);
  if (protocols === undefined) return undefined;
  const { port, endPort } = fields;
  if (typeof port !== "string") return reader.report(`${path}.port`, "must be text, a number or a name");
  if (portName.test(port)) return namedPorts(reader, protocols, port, endPort, path);
  if (!/^(0|[1-9]\d{0,4})$/.test(port) || Number(port) > 0xffff) {
    return reader.report(`${path}.port`, `"${port}" is neither a port nor a name`);
  }
  // 0 is every port of the protocol; upstream takes it for the same even where it begins a range.
  if (port !== "0") return ranges(reader, protocols, Number(port), endPort || undefined, path);
  if (endPort) return reader.report(`${path}.endPort`, "a range cannot begin at port 0");
  return protocols.map(wholeProtocol);
}

function parseProtocol(reader: PolicyReader, value: unknown, path: string): readonly number[] | undefined {
  const name = value === "" ? "ANY" : wordOf(value ?? "ANY").toUpperCase();
  if (name === "ANY") return Object.values(protocolNumbers);
  if (Object.hasOwn(protocolNumbers, name)) return [protocolNumbers[name]!];
  if (extendedProtocols.includes(name)) return reader.report(path, `protocol ${name} is not supported`);
  return reader.report(path, "must be TCP, UDP, SCTP or ANY; ICMP has rules of its own (icmps)");
}

function ranges(
  reader: PolicyReader,
  protocols: readonly number[],
  first: number,
  endPort: unknown,
  path: string,
): readonly PortRange[] | undefined {
  const last = endPort ?? first;
  if (!isPort(last) || last < first) {
    return reader.report(`${path}.endPort`, `must be a port from ${first} on`);
  }
  return protocols.map((protocol) => ({ kind: "range", protocol, first, last }));
}

function namedPorts(
  reader: PolicyReader,
  protocols: readonly number[],
  name: string,
  endPort: unknown,
  path: string,
): readonly PolicyPort[] | undefined {
  if (endPort) return reader.report(`${path}.endPort`, "a range cannot begin at a named port");
  return protocols.map((protocol) => ({ kind: "named", name: name.toLowerCase(), protocol }));
}

function isPort(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 1 && value <= 0xffff;
}

function wholeProtocol(protocol: number): PortRange {
  return { kind: "range", protocol, first: 0, last: 0xffff };
}

/** One of `icmps[]` of a rule of cilium.io/v2. */
export function parseIcmpRule(reader: PolicyReader, item: unknown, path: string): readonly PolicyPort[] | undefined {
  const rule = reader.fields(item, path);
  if (rule === undefined || !reader.hasOnly(rule, path, ["fields"])) return undefined;
  const list = reader.list(rule.fields, `${path}.fields`) ?? [];
  if (list.length > MAX_ITEMS) return reader.report(`${path}.fields`, `has more than ${MAX_ITEMS} types`);
  return reader.items(list, `${path}.fields`, (field, at) => parseIcmpField(reader, field, at));
}

function parseIcmpField(reader: PolicyReader, item: unknown, path: string): PolicyPort | undefined {
  const fields = reader.fields(item, path);
  if (fields === undefined || !reader.hasOnly(fields, path, ["family", "type"])) return undefined;
  const familyText = fields.family || "IPv4";
  if (familyText !== "IPv4" && familyText !== "IPv6") return reader.report(`${path}.family`, "must be IPv4 or IPv6");
  const family = familyText === "IPv4" ? 4 : 6;
  const type = parseIcmpType(fields.type, family);
  if (type === undefined) {
    return reader.report(`${path}.type`, `${JSON.stringify(fields.type)} is no type of ICMP for ${familyText}`);
  }
  return { kind: "range", protocol: icmpProtocol[family], first: type, last: type };
}

import { IpAddress, IpPrefix } from "../../lib/ip.js";
import type { GoJsonValue } from "../../lib/json-value.js";
import type { ListStatus } from "../../model/list-status.js";
import { authTypeText, type PolicyRow } from "../../model/policy-rows.js";
import { protocolName } from "../../model/protocol-names.js";
import { isReleaseSince, type UpstreamRelease } from "../../model/upstream-release.js";
import type { BatchPrinter } from "../batch-printer.js";
import { compareBytes, goJson } from "../go-json.js";
import type { CiliumContext, CiliumFormat } from "../list-format.js";
import { alignTabs } from "../tabwriter.js";

export interface PolicyForm {
  /** `bpf policy get --all`: a block for each map, also for those without an entry. */
  readonly isAll: boolean;
  /** `-n`: peers as numbers. */
  readonly isNumeric: boolean;
}

/** `cilium-dbg bpf policy get` */
export function ciliumPolicy(form: PolicyForm): CiliumFormat<PolicyRow> {
  return {
    text: (context) => collecting(context, (maps) => (form.isAll ? blocks(maps, form) : table(maps[0], form))),
    json: (context) =>
      collecting(context, (maps) =>
        form.isAll && maps.length === 0
          ? nothingPinned
          : `${goJson(form.isAll ? maps.map(mapItem) : entryItems(maps[0]))}\n\n`,
      ),
  };
}

const nothingPinned = "no maps found\n";
const pinFolder = "/sys/fs/bpf/tc/globals";

/** One policy map with its entries. */
interface PolicyMap {
  readonly name: string;
  readonly release: UpstreamRelease;
  readonly rows: readonly PolicyRow[];
}

function collecting(context: CiliumContext, textOf: (maps: readonly PolicyMap[]) => string): BatchPrinter<PolicyRow> {
  const all: PolicyRow[] = [];
  return {
    batch: (rows) => {
      for (const row of rows) all.push(row);
    },
    end: async (out) => out.text(textOf(mapsOf(all, await context.status()))),
  };
}

/** In the order of their names, as the shell's pattern gives them to upstream. */
function mapsOf(rows: readonly PolicyRow[], { emptyMaps = [], nodes }: ListStatus): readonly PolicyMap[] {
  const groups = new Map<string, PolicyRow[]>();
  for (const row of rows) {
    const key = `${row.map}@${row.node ?? ""}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [row]);
    else group.push(row);
  }
  const filled = [...groups.values()].map((group) => ({
    name: group[0]!.map,
    release: group[0]!.release,
    rows: group,
  }));
  const release = (nodes[0]?.release?.releases.at(-1) ?? "1.20") as UpstreamRelease;
  const empty = emptyMaps.map((name) => ({ name, release, rows: [] }));
  return [...filled, ...empty].sort((a, b) => compareBytes(a.name, b.name));
}

function blocks(maps: readonly PolicyMap[], form: PolicyForm): string {
  if (maps.length === 0) return nothingPinned;
  return maps
    .map((map) => `Endpoint ID: ${endpointText(map)}\nPath: ${pinFolder}/${map.name}\n\n${table(map, form)}\n\n`)
    .join("");
}

function endpointText({ name }: PolicyMap): string {
  return name.slice(name.lastIndexOf("_") + 1).replace(/^0+/, "");
}

function table(map: PolicyMap | undefined, form: PolicyForm): string {
  const { rows = [], release = "1.20" } = map ?? {};
  const hasCookie = isReleaseSince(release, "1.19");
  const peer = form.isNumeric ? "IDENTITY" : "LABELS (source:key[=value])";
  const titles = ["POLICY", "DIRECTION", peer, "PORT/PROTO", "PROXY PORT", "AUTH TYPE", "BYTES", "PACKETS", "PREFIX"];
  // Up to 1.18 the last cell ends with a tab too.
  const lineOf = (cells: readonly string[], cookie: string) => `${cells.join("\t")}\t${hasCookie ? cookie : ""}`;
  const lines = [lineOf(titles, "COOKIE")];
  for (const row of rows) {
    const [first = "", ...others] = peersOf(row, form);
    lines.push(lineOf(cellsOf(row, first), String(row.cookie ?? 0)));
    for (const label of others) lines.push(`\t\t${label}${"\t".repeat(7)}`);
  }
  const text = alignTabs(lines, { minWidth: 5, padding: 3 });
  return rows.length === 0 ? `${text}Policy stats empty. Perhaps the policy enforcement is disabled?\n` : text;
}

function cellsOf(row: PolicyRow, peer: string): readonly string[] {
  return [
    row.isDeny ? "Deny" : "Allow",
    row.direction === "egress" ? "Egress" : "Ingress",
    peer,
    portText(row),
    row.proxyPort === 0 ? "NONE" : String(row.proxyPort),
    authTypeText(row.authType),
    row.bytes === undefined ? "-" : String(row.bytes),
    row.packets === undefined ? "-" : String(row.packets),
    String(row.prefixLength - staticPrefixBits),
  ];
}

/** One line each; an identity that nobody knows stays a number. */
function peersOf(row: PolicyRow, { isNumeric }: PolicyForm): readonly string[] {
  if (isNumeric) return [String(row.identity)];
  // Any peer: nobody's list of identities has it.
  const labels = row.identity === 0 && row.labels === undefined ? ["reserved:unknown"] : (row.labels ?? []);
  if (labels.length === 0) return [String(row.identity)];
  const isAnyNamed = isReleaseSince(row.release, "1.18");
  return printableLabels(labels).map((label) => (isAnyNamed && label === "reserved:unknown" ? "ANY" : label));
}

/** One label a key, CIDRs as such: in label keys colons are dashes. */
function printableLabels(labels: readonly string[]): readonly string[] {
  const byKey = new Map(labels.map((label) => [label.slice(label.indexOf(":") + 1).split("=")[0], label]));
  return [...byKey.values()].map(cidrLabel).sort(compareBytes);
}

function cidrLabel(label: string): string {
  if (!label.startsWith("cidr:")) return label;
  const [address = "", length] = label.slice("cidr:".length).replaceAll("-", ":").split("/");
  const parsed = IpAddress.tryParse(address);
  if (parsed === undefined) return label;
  const bits = length === undefined ? parsed.bitLength : Number(length);
  return bits <= parsed.bitLength ? `cidr:${IpPrefix.of(parsed, bits)}` : label;
}

const staticPrefixBits = 40;

/** `ANY`, `TCP`, `80/TCP`; several ports as `8080-8083/TCP`, and up to 1.15 by their prefix as `0x1f90/14/TCP`. */
function portText(row: PolicyRow): string {
  const bits = row.prefixLength - staticPrefixBits;
  const protocol = protocolName(row.protocol);
  if (bits === 0 || bits === 8) return protocol;
  if (bits === 24) return `${row.port}/${protocol}`;
  if (bits < 8 || bits > 24) return `<INVALID PREFIX LENGTH: ${bits >>> 0}>`;
  return isReleaseSince(row.release, "1.16")
    ? `${row.port}-${row.lastPort}/${protocol}`
    : `0x${row.port.toString(16)}/${bits - 8}/${protocol}`;
}

function mapItem(map: PolicyMap): GoJsonValue {
  return { EndpointID: endpointText(map), Path: `${pinFolder}/${map.name}`, Content: entryItems(map) };
}

function entryItems(map: PolicyMap | undefined): GoJsonValue {
  return (map?.rows ?? []).map((row) => ({
    ProxyPortNetwork: swap16(row.proxyPort),
    Flags: row.flags,
    ...releasedFields(row),
    Packets: row.packets ?? notAvailable,
    Bytes: row.bytes ?? notAvailable,
    Key: {
      Prefixlen: row.prefixLength,
      Identity: row.identity,
      TrafficDirection: row.direction === "egress" ? 1 : 0,
      Nexthdr: row.protocol,
      DestPortNetwork: swap16(row.port),
    },
  }));
}

/** Upstream's own mark of counters that do not exist. */
const notAvailable = (1n << 64n) - 1n;

function releasedFields(row: PolicyRow): { readonly [key: string]: GoJsonValue } {
  if (!isReleaseSince(row.release, "1.17")) return { AuthType: row.authType, Pad1: 0, Pad2: 0 };
  const AuthRequirement = row.authType | (row.hasExplicitAuthType ? 0x80 : 0);
  if (isReleaseSince(row.release, "1.19")) {
    return { AuthRequirement, Precedence: row.precedence ?? 0, Cookie: row.cookie ?? 0 };
  }
  return { AuthRequirement, ProxyPortPriority: row.proxyPortPriority ?? 0, Pad1: 0, Pad2: 0 };
}

function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}

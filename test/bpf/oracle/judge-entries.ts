import { readEntries } from "../../../src/datapath/table.js";
import type { IpAddress } from "../../../src/lib/ip.js";
import type { CtRow } from "../../../src/model/rows.js";
import type { DatapathHarness } from "../harness.js";
import { type ConnectionLedger, type Flow, replyOf } from "./connection-ledger.js";
import { flowOf, type PacketOracle } from "./packet-oracle.js";

const natMaps = {
  cilium_snat_v4_external: { addressBytes: 4, destination: 0, source: 4, ports: 8 },
  cilium_snat_v6_external: { addressBytes: 16, destination: 0, source: 16, ports: 32 },
} as const;
const NAT_VALUE_ADDRESS = 32;
const TUPLE_F_IN = 1;

/** What conntrack and NAT remember that no packet can have made, a line each. */
export function judgeEntries(
  datapath: DatapathHarness,
  oracle: PacketOracle,
  ledger: ConnectionLedger,
): readonly string[] {
  const connections = datapath.connections().flatMap((row) => judgeConnection(row, oracle, ledger));
  return [...connections, ...judgeTranslations(datapath, ledger)];
}

function judgeConnection(row: CtRow, oracle: PacketOracle, ledger: ConnectionLedger): readonly string[] {
  const flow = flowOfRow(row);
  const text = `${row.direction} ${flowOf(flow)} (${row.flagNames.join()})`;
  if (!ledger.hasSeen(flow)) return [`a connection that nobody has opened: ${text}`];
  if (row.direction === "service") return [];
  const told = row.flagNames.includes("DSRInternal") ? frontendOf(row) : undefined;
  if (told !== undefined && !ledger.wasTold(flow, told))
    return [`a frontend that nobody has told of: ${text} ${told.address}:${told.port}`];
  const identity = oracle.identityOf(flow.source);
  return row.sourceIdentity === identity ? [] : [`identity ${row.sourceIdentity}, not ${identity}: ${text}`];
}

function flowOfRow({ source, sourcePort, destination, destinationPort, protocol }: CtRow): Flow {
  return {
    source: hexOfBytes(source),
    destination: hexOfBytes(destination),
    protocol,
    ports: { source: sourcePort, destination: destinationPort },
  };
}

function frontendOf({ source, union0, backendId = 0n, natPort = 0 }: CtRow) {
  const bytes = Buffer.alloc(16);
  bytes.writeBigUInt64LE(union0, 0);
  bytes.writeBigUInt64LE(backendId, 8);
  return { address: bytes.toString("hex", source.family === 4 ? 12 : 0), port: natPort };
}

function judgeTranslations(datapath: DatapathHarness, ledger: ConnectionLedger): readonly string[] {
  return Object.entries(natMaps).flatMap(([name, of]) =>
    [...readEntries(datapath.get(name))].flatMap(({ key, value }) => {
      const { addressBytes, destination, source, ports } = of;
      const address = (bytes: Buffer, at: number): string => bytes.toString("hex", at, at + addressBytes);
      const flow: Flow = {
        source: address(key, source),
        destination: address(key, destination),
        protocol: key[ports + 4]!,
        ports: { destination: key.readUInt16BE(ports), source: key.readUInt16BE(ports + 2) },
      };
      if (key[ports + 5] !== TUPLE_F_IN)
        return ledger.hasSeen(flow) || ledger.hasSeen(replyOf(flow))
          ? []
          : [`a translation for nobody: ${flowOf(flow)}`];
      const port = value.readUInt16BE(NAT_VALUE_ADDRESS + addressBytes);
      const origin = replyOf({
        ...flow,
        destination: address(value, NAT_VALUE_ADDRESS),
        ports: { source: flow.ports.source, destination: port },
      });
      return ledger.hasSeen(origin) ? [] : [`answers ${flowOf(flow)} for nobody: ${flowOf(origin)}`];
    }),
  );
}

function hexOfBytes(address: IpAddress): string {
  return Buffer.from(address.bytes).toString("hex");
}

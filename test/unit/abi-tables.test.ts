import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createAbi } from "../../src/abi/abi.js";
import { readCtColumns } from "../../src/abi/conntrack-columns.js";
import { findReason, firstDropReason, isDropReason, reasons, reasonText } from "../../src/abi/drop-reasons.js";
import { ownSourceFiles } from "../../src/abi/generated/source-files.js";
import { readMark } from "../../src/abi/marks.js";
import { observationPointName, traceReasonText } from "../../src/abi/observation-points.js";
import { createPolicyCodecs } from "../../src/abi/policy.js";
import type { Release, Releases } from "../../src/abi/release.js";
import { serviceFlagTexts } from "../../src/abi/service-flags.js";
import { firstOwnFileId, sourceFileName } from "../../src/abi/source-files.js";
import { tunnelRowOfIpcache } from "../../src/abi/tunnel.js";
import { IpAddress } from "../../src/lib/ip.js";
import { ctFlagNames } from "../../src/model/conntrack-flags.js";
import { serviceFlag } from "../../src/model/service-flag.js";
import { conntrackList } from "../../src/output/lists/conntrack-list.js";
import { parseOutput } from "../../src/output/output-format.js";
import { printList } from "../../src/output/printer.js";
import { inBatches, joinText } from "./abi-capture-files.js";
import { ipcacheRows, wholeStatus } from "./output-cilium-rows.js";

describe("reasons", () => {
  it("are those of the C headers, by name and number", () => {
    const header = readFileSync("bpf/lib/drop_reasons.h", "utf8");
    const defined = [...header.matchAll(/^#define\s+((?:DROP|REASON)_\w+)\s+\(?(-?\d+)\)?/gm)];
    expect(defined.length).toBeGreaterThan(20);
    for (const [, name, number] of defined) {
      const code = Math.abs(Number(number));
      expect({ name, code: findReason(code)?.name }).toEqual({ name, code: name });
      expect(isDropReason(code)).toBe(name!.startsWith("DROP_"));
    }
  });

  it("have unique codes and upstream's texts", () => {
    expect(new Set(reasons.map(({ code }) => code)).size).toBe(reasons.length);
    expect(reasonText(133, "1.14")).toBe("Policy denied");
    expect(reasonText(0, "1.20")).toBe("Success");
    expect(reasonText(159, "1.20")).toBe("159");
    expect(reasonText(250, "1.20")).toBe("250");
    expect(reasonText(205, "1.17")).toBe("205");
    expect(reasonText(205, "1.18")).toBe("Punt to proxy");
    expect(
      reasons
        .filter(({ code }) => code >= firstDropReason)
        .every(({ name }) => name === "" || name.startsWith("DROP_")),
    ).toBe(true);
  });
});

describe("source files", () => {
  it("of ours have ids that upstream never gives, and exist", () => {
    const ids = Object.keys(ownSourceFiles).map(Number);
    expect(Math.min(...ids)).toBeGreaterThanOrEqual(firstOwnFileId);
    const files = [...readdirSync("bpf"), ...readdirSync("bpf/lib")];
    for (const [id, name] of Object.entries(ownSourceFiles)) {
      expect(files).toContain(name);
      expect(sourceFileName(Number(id), "1.20")).toBe(name);
    }
  });

  it.each([
    [2, "1.20", "bpf_lxc.c"],
    [109, "1.20", "local_delivery.h"],
    [109, "1.17", "conntrack.h"],
    [110, "1.17", "l3.h"],
    [110, "1.18", "local_delivery.h"],
    [113, "1.20", "nodeport_egress.h"],
    [6, "1.19", "bpf_network.c"],
    [6, "1.20", "unknown(6)"],
    [116, "1.17", "unknown(116)"],
    [101, "1.15", "arp.h"],
    [103, "1.14", "egress_policies.h"],
    [103, "1.15", "srv6.h"],
    [5, "1.15", "<unknown-id-5>"],
    [0, "1.20", "unknown(0)"],
  ] as const)("%i of release %s is %s", (id, release, name) => {
    expect(sourceFileName(id, release)).toBe(name);
  });
});

describe("observation points and trace reasons", () => {
  it("are numbers in releases that do not have them", () => {
    expect(observationPointName(4, "1.14")).toBe("to-overlay");
    expect(observationPointName(13, "1.16")).toBe("13");
    expect(observationPointName(13, "1.17")).toBe("to-crypto");
    expect(observationPointName(99, "1.20")).toBe("99");
    expect(traceReasonText(0x81, "1.20")).toBe("established");
    expect(traceReasonText(0x86, "1.14")).toBe("134");
    expect(traceReasonText(8, "1.15")).toBe("8");
    expect(traceReasonText(8, "1.16")).toBe("encrypt-overlay");
  });
});

describe("marks", () => {
  it.each([
    [0x0000_0000, "1.20", { kind: "none" }],
    [0xe6bc_0f00, "1.20", { kind: "identity", identity: 59068 }],
    [0xe6bc_0f02, "1.20", { kind: "identity", identity: 0x2_e6bc }],
    [0x1f90_0200, "1.20", { kind: "to-proxy", proxyPort: 0x901f }],
    [0x0000_0205, "1.20", { kind: "to-proxy", clusterId: 5 }],
    [0x0d74_0900, "1.14", { kind: "proxy-egress-endpoint", endpointId: 3444 }],
    [0x0000_0800, "1.18", { kind: "proxy-to-world" }],
    [0x0000_0800, "1.19", { kind: "skip-tproxy" }],
    [0x0001_0500, "1.15", { kind: "unknown" }],
    [0x0001_0500, "1.16", { kind: "egress-gateway-done", identity: 1 }],
    [0x0001_1400, "1.18", { kind: "overlay-encrypted", identity: 1 }],
    [0x0001_1400, "1.19", { kind: "overlay", identity: 1 }],
    [0x0007_3e00, "1.20", { kind: "encrypt", nodeId: 7, keyId: 3 }],
    [0x0000_1e00, "1.18", { kind: "wireguard-encrypted" }],
  ] as const)("%i of release %s", (mark, release, expected) => {
    expect(readMark(mark, release)).toEqual(expected);
  });
});

describe("flags in words", () => {
  it("conntrack: in bit order, unknown bits by number", () => {
    expect(ctFlagNames(0x413)).toEqual(["RxClosing", "TxClosing", "SeenNonSyn", "FromTunnel"]);
    expect(ctFlagNames(0x8001)).toEqual(["RxClosing", "Unknown=0x8000"]);
    expect(ctFlagNames(0)).toEqual([]);
    // Reserved, and passed over by upstream's tool.
    expect(ctFlagNames(0x0200)).toEqual([]);
  });

  const { nodePort, routable, externalLocalScope, sourceRange, quarantined, hostPort, loopback, dsr } = serviceFlag;
  it.each([
    ["type first", nodePort | externalLocalScope, "1.14", "NodePort, Local, non-routable"],
    ["deny since 1.17", routable | sourceRange | quarantined, "1.17", "ClusterIP, check source-range, deny"],
    ["before it was no flag", routable | sourceRange | quarantined | dsr, "1.16", "ClusterIP, check source-range"],
    ["the same bit without source ranges", routable | quarantined | dsr, "1.20", "ClusterIP, quarantined, dsr"],
    ["loopback of a HostPort", hostPort | loopback | routable, "1.20", "HostPort, loopback"],
    ["of another type since 1.18", loopback | routable, "1.18", "ClusterIP, delegate-if-local"],
    ["and before", loopback | routable, "1.17", "ClusterIP, loopback"],
  ] as const)("services: %s", (_, flags, release, text) => {
    expect(serviceFlagTexts(flags, release).join(", ")).toBe(text);
  });
});

describe("what the low byte of a policy entry's precedence says", () => {
  const decide = (releases: Releases, byte: number, proxyPort = 0) => {
    const { value, row } = createPolicyCodecs(releases);
    const bytes = Buffer.alloc(12);
    bytes.writeUInt16BE(proxyPort, 0);
    bytes.writeUInt32LE(0xfffff000 + byte, 4);
    const key = { prefixLength: 40, identity: 0, isEgress: false, protocol: 0, port: 0 };
    const { verdict, listenerPriority, rulePriority } = row({
      map: "",
      endpointId: 1,
      key,
      entry: value.decode(bytes),
      flags: 0,
    });
    expect(rulePriority).toBe(0xf);
    return `${verdict} ${listenerPriority}`;
  };

  it.each([
    [255, 0, "deny 0", "deny 0"],
    [254, 1, "allow 1", "allow 1"],
    [129, 1, "allow 126", "allow 126"],
    [100, 1, "allow undefined", "allow 28"],
    [2, 1, "allow 0", "allow undefined"],
    [1, 0, "allow 0", "allow 0"],
    [0, 0, "pass 0", "undefined 0"],
  ])("%i with proxy port %i: in 1.20 %s; of 1.19, which counted in two ways, %s", (byte, proxyPort, settled, open) => {
    expect(decide(["1.20"], byte, proxyPort)).toBe(settled);
    expect(decide(["1.19"], byte, proxyPort)).toBe(open);
    expect(decide(["1.19", "1.20"], byte, proxyPort)).toBe(open);
  });

  it("1.17 and 1.18 have a byte for the listener", () => {
    const { value, row } = createPolicyCodecs(["1.18"]);
    const key = { prefixLength: 40, identity: 0, isEgress: false, protocol: 0, port: 0 };
    const priorities = [0, 1, 2, 127].map((byte) => {
      const entry = value.decode(Buffer.from([0, 1, 0, 0, byte, 0, 0, 0]));
      return row({ map: "", endpointId: 1, key, entry, flags: 0 }).listenerPriority;
    });
    expect(priorities).toEqual([0, 0, 126, 1]);
  });
});

describe("tunnels out of the ipcache", () => {
  it("are the prefixes of other nodes' pods, not their addresses", () => {
    const rows = ipcacheRows().flatMap((row) => tunnelRowOfIpcache(row) ?? []);
    expect(rows.map((row) => `${row.prefix} ${row.tunnelEndpoint}`).sort()).toEqual([
      "10.245.1.0/24 10.89.0.12",
      "fd00:245::100/120 10.89.0.12",
    ]);
  });
});

describe("upstream's conntrack line, release by release", () => {
  const entry = {
    union0: 5n,
    backendId: 7n,
    packets: 1n,
    bytes: 2n,
    lifetimeSeconds: 100,
    flags: 0x10,
    revNatId: 4,
    natPort: 9,
    interfaceIndex: 3,
    txFlagsSeen: 0x1b,
    rxFlagsSeen: 0,
    sourceIdentity: 300,
    lastTxReportSeconds: 8,
    lastRxReportSeconds: 0,
  };
  const tuple = {
    daddr: IpAddress.parse("10.0.0.1"),
    saddr: IpAddress.parse("10.0.0.2"),
    dport: 80,
    sport: 4000,
    protocol: 6,
    flags: 0,
  };
  const print = async (release: Release): Promise<string> => {
    const { conntrack } = createAbi(release);
    const [keys, values] = [conntrack.tuple4.encode(tuple), conntrack.entry.encode(entry)];
    const head = { map: "tcp4", node: undefined, clock: undefined } as const;
    const rows = inBatches([readCtColumns(conntrack, head, { keys, values, count: 1 }).row(0)]);
    return joinText(printList(conntrackList, rows, () => wholeStatus, { output: parseOutput("cilium") }));
  };

  it.each([
    [
      "1.14",
      "RxPackets=5 RxBytes=7 RxFlagsSeen=0x00 LastRxReport=0 TxPackets=1 TxBytes=2 TxFlagsSeen=0x1b LastTxReport=8",
      "IfIndex=3 ",
    ],
    [
      "1.16",
      "Packets=1 Bytes=2 RxFlagsSeen=0x00 LastRxReport=0 TxFlagsSeen=0x1b LastTxReport=8",
      "IfIndex=3 BackendID=7 ",
    ],
    ["1.18", "Packets=1 Bytes=2 RxFlagsSeen=0x00 LastRxReport=0 TxFlagsSeen=0x1b LastTxReport=8", "BackendID=7 "],
    [
      "1.20",
      "Packets=1 Bytes=2 RxFlagsSeen=0x00 LastRxReport=0 TxFlagsSeen=0x1b LastTxReport=8",
      "BackendID=7 NatPort=9 ",
    ],
  ] as const)("%s", async (release, counters, tail) => {
    expect(await print(release)).toBe(
      `TCP OUT 10.0.0.1:4000 -> 10.0.0.2:80 expires=100 ${counters} Flags=0x0010 [ SeenNonSyn ] RevNAT=4 SourceSecurityID=300 ${tail}\n\n`,
    );
  });
});

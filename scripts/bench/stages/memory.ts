import { readFileSync } from "node:fs";
import type { BpfMap } from "../../../src/kernel/bpf-map.js";
import { type AgentConfig, defaultAgentConfig } from "../../../src/model/agent-config.js";
import { DatapathHarness, hostIp, ip6, pod, worldIp } from "../../../test/bpf/harness.js";
import { ipv4Packet, ipv6Packet } from "../../../test/bpf/packet-builder.js";
import { TestFolder } from "../../../test/support/test-folder.js";
import { leastNanoseconds } from "../program-costs.js";
import { openOwnMaps } from "./own-maps.js";
import { pathTable } from "./paths.js";
import type { Stage, StageTable } from "./stage.js";

/** Of a node that sets nothing else. */
const configurations: Readonly<Record<string, Partial<AgentConfig>>> = {
  "IPv4 only": {},
  "IPv4 and IPv6": { enableIpv6: true },
};
/** Maps that take less stand in one row. */
const shownBytes = 64 * 1024;

export const memoryStage: Stage = {
  title: "Memory of the maps, size of the programs",
  async measure({ settings }) {
    const maps: StageTable = {
      title: "Bytes of the pinned maps, empty",
      intro:
        "As the kernel counts them (`memlock` of `/proc/PID/fdinfo`), at default sizes without regard to the machine's memory. Policy " +
        "maps, rings of events and Maglev tables come with endpoints, readers and Services.",
      head: ["map", ...Object.keys(configurations).flatMap((name) => [`entries, ${name}`, `bytes, ${name}`])],
      rows: mapRows(Object.values(configurations).map(measureMaps)),
    };
    const rows: string[][] = [];
    for (const [name, config] of Object.entries(configurations)) {
      settings.signal.throwIfAborted();
      rows.push(...programRows(name, config));
    }
    const programs: StageTable = {
      title: "Programs",
      intro:
        "Instructions are those that the verifier walked. Time is that of a packet that has been there before, by test run, warm caches, " +
        "the least of many runs; what a test run cannot bring (a tunnel's key, a socket) has none.",
      head: ["configuration", "program", "instructions verified", "machine code", "IPv4 packet", "IPv6 packet"],
      rows,
    };
    return { tables: [maps, programs, pathTable()] };
  },
};

interface MapSize {
  readonly name: string;
  readonly maxEntries: number;
  readonly bytes: number;
}

/** Every map of an installation, in a BPF file system that is gone afterwards. */
function measureMaps(changed: Partial<AgentConfig>): readonly MapSize[] {
  const config = { ...defaultAgentConfig(), ...changed };
  using folder = new TestFolder();
  using maps = openOwnMaps(folder.maps, config);
  return maps.names.map((name) => {
    const map = maps.get(name);
    return { name, maxEntries: map.info.maxEntries, bytes: memoryOf(map) };
  });
}

function memoryOf(map: BpfMap): number {
  const info = readFileSync(`/proc/self/fdinfo/${map.fd}`, "utf8");
  const bytes = /^memlock:\s+(\d+)$/m.exec(info)?.[1];
  if (bytes === undefined) throw new Error(`the kernel does not tell the memory of map ${map.info.name}`);
  return Number(bytes);
}

function mapRows(byConfiguration: readonly (readonly MapSize[])[]): readonly (readonly string[])[] {
  const [first = []] = byConfiguration;
  const largest = (name: string): number =>
    Math.max(...byConfiguration.map((maps) => maps.find((map) => map.name === name)?.bytes ?? 0));
  const shown = first.map(({ name }) => name).filter((name) => largest(name) >= shownBytes);
  const rows = shown.map((name) => [
    `\`${name}\``,
    ...byConfiguration.flatMap((maps) => {
      const map = maps.find((one) => one.name === name);
      return [describeCount(map?.maxEntries ?? 0), describeBytes(map?.bytes ?? 0)];
    }),
  ]);
  const sum = (maps: readonly MapSize[]): number => maps.reduce((total, { bytes }) => total + bytes, 0);
  const small = (maps: readonly MapSize[]): readonly MapSize[] => maps.filter(({ name }) => !shown.includes(name));
  return [
    ...rows.sort(),
    [
      `${first.length - shown.length} others`,
      ...byConfiguration.flatMap((maps) => ["", describeBytes(sum(small(maps)))]),
    ],
    ["all", ...byConfiguration.flatMap((maps) => ["", `**${describeBytes(sum(maps))}**`])],
  ];
}

function describeCount(count: number): string {
  return count.toLocaleString("en-US");
}

function describeBytes(bytes: number): string {
  return bytes >= 1e6 ? `${(bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e3).toFixed(1)} kB`;
}

/** A packet that the program passes on, by program and family. */
const packets = {
  fromContainer: { v4: [pod.client.ip, pod.server.ip], v6: [ip6.client, ip6.server] },
  toContainer: { v4: [worldIp, pod.client.ip], v6: [ip6.world, ip6.client] },
  fromHost: { v4: [hostIp, pod.server.ip], v6: [ip6.host, ip6.server] },
  toHost: { v4: [pod.client.ip, hostIp], v6: [ip6.client, ip6.host] },
  fromNetdev: { v4: [worldIp, hostIp], v6: [ip6.world, ip6.host] },
  toNetdev: { v4: [hostIp, worldIp], v6: [ip6.host, ip6.world] },
} as const satisfies Readonly<Record<string, Readonly<Record<"v4" | "v6", readonly [string, string]>>>>;

function programRows(name: string, config: Partial<AgentConfig>): string[][] {
  using datapath = new DatapathHarness(config);
  const hasIpv6 = config.enableIpv6 === true;
  if (hasIpv6) datapath.addIp6();
  return Object.entries(datapath.programs).map(([key, program]) => {
    const { info } = program;
    const pair = (packets as Partial<Record<string, (typeof packets)[keyof typeof packets]>>)[key];
    const cost = (
      build: typeof ipv4Packet | typeof ipv6Packet,
      ends: readonly [string, string] | undefined,
    ): string => {
      if (ends === undefined) return "";
      const packet = build({ source: ends[0], destination: ends[1], ttl: 255 });
      datapath.run(key as keyof typeof packets, packet);
      return `${leastNanoseconds(program, packet)} ns`;
    };
    return [
      ...[name, `\`${info.name}\``, describeCount(info.verifiedInsns), describeBytes(info.jitedBytes)],
      ...[cost(ipv4Packet, pair?.v4), hasIpv6 ? cost(ipv6Packet, pair?.v6) : ""],
    ];
  });
}

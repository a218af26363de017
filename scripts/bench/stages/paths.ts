import { encodeDevice } from "../../../src/datapath/entries.js";
import type { ProgramKey } from "../../../src/datapath/programs.js";
import { IpAddress } from "../../../src/lib/ip.js";
import {
  DatapathHarness,
  hostIp,
  ip6,
  LOOPBACK_IFINDEX,
  nodeIp,
  pod,
  remotePod,
  vip,
  worldIp,
} from "../../../test/bpf/harness.js";
import { ipv4Packet, ipv6Packet, tcpFlag } from "../../../test/bpf/packet-builder.js";
import { medianNanoseconds } from "../program-costs.js";
import type { StageTable } from "./stage.js";

const servicePort = 80;
const nodePort = 30_080;
/** Flags of a frontend: a node port that is reached from outside. */
const nodePortFlags = 0x42;

/** Who is who in each family. */
const families = {
  4: {
    build: ipv4Packet,
    client: pod.client.ip,
    server: pod.server.ip,
    remote: remotePod.ip,
    vip,
    host: hostIp,
    node: nodeIp,
    world: worldIp,
    backend: `${remotePod.ip}:8080`,
  },
  6: {
    build: ipv6Packet,
    client: ip6.client,
    server: ip6.server,
    remote: ip6.remotePod,
    vip: ip6.vip,
    host: ip6.host,
    node: "fd00:172:18::2",
    world: ip6.world,
    backend: `[${ip6.remotePod}]:8080`,
  },
} as const;
type Family = keyof typeof families;
type Place = Exclude<keyof (typeof families)[Family], "build" | "backend">;

interface Path {
  readonly what: string;
  readonly program: ProgramKey;
  readonly from: Place;
  readonly to: Place;
  readonly port?: number;
}

const paths: readonly Path[] = [
  { what: "pod to a pod of the node, both pods' sides", program: "fromContainer", from: "client", to: "server" },
  { what: "pod to a pod of another node", program: "fromContainer", from: "client", to: "remote" },
  { what: "pod to a Service, per packet", program: "fromContainer", from: "client", to: "vip" },
  { what: "pod to the world, up to the device", program: "fromContainer", from: "client", to: "world" },
  { what: "the same at the device: masquerading", program: "toNetdev", from: "client", to: "world" },
  {
    what: "node port, backend on another node: SNAT",
    program: "fromNetdev",
    from: "world",
    to: "node",
    port: nodePort,
  },
  { what: "the node to a pod", program: "fromHost", from: "host", to: "server" },
  { what: "the stack to a pod", program: "toContainer", from: "world", to: "client" },
];

/** What the first packet of a connection costs and one of those after it, on each way. */
export function pathTable(): StageTable {
  const columns = ([4, 6] as const).map((family) => {
    using datapath = openDatapath(family);
    return paths.map((path) => costsOf(datapath, family, path));
  });
  return {
    title: "A packet on its ways",
    intro: "TCP, by test run: one run each, because some ways change the packet, the median of 2,000.",
    head: ["way", "program", ...["IPv4", "IPv6"].flatMap((name) => [`first packet, ${name}`, `later packet, ${name}`])],
    rows: paths.map(({ what, program }, row) => [
      what,
      `\`${program}\``,
      ...columns.flatMap((costs) => costs[row] ?? []),
    ]),
  };
}

function openDatapath(family: Family): DatapathHarness {
  const datapath = new DatapathHarness({ enableIpv6: true });
  const { node, backend, vip: address } = families[family];
  datapath.addIp6();
  datapath.addHost(node);
  const own = family === 4 ? { ipv4: IpAddress.parse(node) } : { ipv6: IpAddress.parse(node) };
  const device = encodeDevice({ name: "lo", ifindex: LOOPBACK_IFINDEX, ...own });
  datapath.get("cts_devices").update(device.key, device.value);
  datapath.addService([backend], { vip: address, port: servicePort });
  datapath.addService([backend], { vip: node, port: nodePort, flags: nodePortFlags, serviceId: 6 });
  return datapath;
}

function costsOf(datapath: DatapathHarness, family: Family, { program, from, to, port }: Path): readonly string[] {
  const { build, ...places } = families[family];
  const packetOf = (sourcePort: number, tcpFlags: number): Buffer =>
    build({
      ...{ source: places[from], destination: places[to], destinationPort: port ?? servicePort },
      ...{ sourcePort, tcpFlags, ttl: 64 },
    });
  const first = medianNanoseconds(datapath.programs[program], (index) => packetOf(10_000 + index, tcpFlag.syn));
  const opening = packetOf(9_000, tcpFlag.syn);
  const later = packetOf(9_000, tcpFlag.ack);
  datapath.run(program, opening);
  datapath.run(program, later);
  return [first, medianNanoseconds(datapath.programs[program], () => later)].map((time) => `${time.toFixed(0)} ns`);
}

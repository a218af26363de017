import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Services } from "../../src/datapath/services.js";
import { IpAddress } from "../../src/lib/ip.js";
import { defaultAgentConfig } from "../../src/model/agent-config.js";
import type { LoadBalancerBackend, LoadBalancerFrontend } from "../../src/model/datapath-port.js";
import { maglevSeeds } from "../../src/model/maglev.js";
import { serviceFlag } from "../../src/model/service-flag.js";
import { DatapathHarness, ip6, pod, tc, vip } from "./harness.js";
import { internetChecksum, ipv4Packet, ipv6Packet, parseFrame, parseFrame6, proto, tcpFlag } from "./packet-builder.js";

let datapath: DatapathHarness;
let services: Services;
const vip6 = "fd00:10:96::10";
const { lbMaglevTableSize: tableSize, lbMaglevHashSeed } = defaultAgentConfig();
const maglev = { tableSize, seed: maglevSeeds(lbMaglevHashSeed).backends };

beforeAll(() => {
  datapath = new DatapathHarness({ enableIpv6: true, serviceNoBackendResponse: "reject" });
});
beforeEach(() => {
  datapath.reset();
  datapath.addIp6();
  services = new Services(datapath, maglev);
  services.write({ frontends: [], backends: [] });
});
afterAll(() => datapath[Symbol.dispose]());

/** What differs between the families. */
const families = [
  {
    family: "IPv4",
    vip,
    backend: (index: number) => `10.244.1.${20 + index}`,
    dial: (sourcePort: number, options: object = {}) => {
      const packet = { source: pod.client.ip, destination: vip, destinationPort: 80, sourcePort, ...options };
      const { verdict, data } = datapath.run("fromContainer", ipv4Packet(packet));
      return { verdict, data, reached: parseFrame(data).destination };
    },
  },
  {
    family: "IPv6",
    vip: vip6,
    backend: (index: number) => `fd00:1::${20 + index}`,
    dial: (sourcePort: number, options: object = {}) => {
      const packet = { source: ip6.client, destination: vip6, destinationPort: 80, sourcePort, ...options };
      const { verdict, data } = datapath.run("fromContainer", ipv6Packet(packet));
      return { verdict, data, reached: parseFrame6(data).destination };
    },
  },
] as const;
type Family = (typeof families)[number];

interface Wanted extends Partial<LoadBalancerFrontend> {
  readonly count: number;
  /** Index of the first backend. */
  readonly from?: number;
}

/** Frontends at the family's address, each with its own backends and number. */
function serve({ vip: address, backend }: Family, ...wanted: readonly Wanted[]): void {
  const backends = new Map<number, LoadBalancerBackend>();
  const frontends = wanted.map(({ count, from = 0, ...rest }, index): LoadBalancerFrontend => {
    const { protocol = proto.tcp } = rest;
    const ids = Array.from({ length: count }, (_, at) => 1 + from + at);
    for (const backendId of ids) {
      const text = backend(backendId);
      backends.set(backendId, { backendId, address: IpAddress.parse(text), port: 80, protocol, state: "active" });
    }
    return {
      address: IpAddress.parse(address),
      port: 80,
      protocol,
      scope: 0,
      serviceId: 5 + index,
      flags: 0,
      affinityTimeoutSeconds: 0,
      algorithm: "default",
      hasMaglevTable: false,
      sourceRanges: [],
      ownsAddress: true,
      backendIds: ids,
      activeCount: count,
      affineCount: 0,
      ...rest,
    };
  });
  services.write({ frontends, backends: [...backends.values()] });
}

function reached({ dial }: Family, connections: number): readonly string[] {
  return Array.from({ length: connections }, (_, index) => dial(20_000 + index).reached);
}

describe.each(families)("Services of $family per packet", (family) => {
  const affinity = { flags: serviceFlag.sessionAffinity, affinityTimeoutSeconds: 600 };

  it("keep a client on its backend while affinity holds", () => {
    serve(family, { count: 8, ...affinity, affineCount: 8 });
    expect(new Set(reached(family, 20)).size).toBe(1);
    serve(family, { count: 8 });
    expect(new Set(reached(family, 60)).size).toBeGreaterThan(1);
  });

  it("choose anew for a client whose backend the Service has lost, and when its time is over", () => {
    serve(family, { count: 1, ...affinity, affineCount: 1 });
    expect(family.dial(20_000).reached).toBe(family.backend(1));
    serve(family, { count: 1, from: 4, ...affinity, affineCount: 1 });
    expect(family.dial(20_001).reached).toBe(family.backend(5));
    // The last one who was served so was served now: a time of nothing is over at once.
    serve(family, { count: 8, ...affinity, affinityTimeoutSeconds: 0, affineCount: 8 });
    expect(new Set(reached(family, 60)).size).toBeGreaterThan(1);
  });

  it("choose by the Maglev table: the same connection the same backend, all of them in turn", () => {
    const table = { algorithm: "maglev", hasMaglevTable: true } as const;
    serve(family, { count: 4, ...table });
    const first = reached(family, 80);
    expect(new Set(first).size).toBe(4);
    datapath.reset();
    datapath.addIp6();
    services = new Services(datapath, maglev);
    serve(family, { count: 4, ...table });
    expect(reached(family, 80)).toEqual(first);
    // One backend less: all others keep nearly all of theirs.
    datapath.reset();
    datapath.addIp6();
    services = new Services(datapath, maglev);
    serve(family, { count: 3, ...table });
    const after = reached(family, 80);
    const gone = family.backend(4);
    const moved = first.filter((address, index) => address !== gone && address !== after[index]);
    expect(moved.length).toBeLessThan(8);
  });

  it("choose at random where a table is missing", () => {
    serve(family, { count: 4, algorithm: "maglev" });
    expect(new Set(reached(family, 80)).size).toBe(4);
  });

  it("give pods the backends of the internal policy where the policies differ", () => {
    const flags = serviceFlag.twoScopes | serviceFlag.externalLocalScope | serviceFlag.loadBalancer;
    serve(family, { count: 1, flags }, { count: 1, from: 4, flags, scope: 1 });
    expect(family.dial(20_000).reached).toBe(family.backend(5));
    serve(family, { count: 1, flags });
    expect(family.dial(20_001).reached).toBe(family.backend(1));
  });

  it("leave backends that terminate out of new connections, and keep those that they have", () => {
    serve(family, { count: 1 });
    expect(family.dial(20_000).reached).toBe(family.backend(1));
    serve(family, { count: 2, backendIds: [2, 1], activeCount: 1 });
    expect(new Set(Array.from({ length: 20 }, (_, index) => family.dial(21_000 + index).reached))).toEqual(
      new Set([family.backend(2)]),
    );
    expect(family.dial(20_000, { tcpFlags: tcpFlag.ack }).reached).toBe(family.backend(1));
  });

  it("take SCTP where the port stays", () => {
    serve(family, { count: 1, protocol: proto.sctp });
    expect(family.dial(20_000, { protocol: proto.sctp }).reached).toBe(family.backend(1));
  });

  it("leave packets for external addresses alone that are not the node's own, as the socket LB has done", () => {
    serve(family, { count: 1, flags: serviceFlag.externalIp, ownsAddress: false });
    expect(family.dial(20_000).reached).toBe(family.vip);
    datapath.addIpcache(`${family.vip}/${family.family === "IPv4" ? 32 : 128}`, 1);
    expect(family.dial(20_001).reached).toBe(family.backend(1));
  });

  it("answer a pod whose Service has no backend that its port is unreachable", () => {
    serve(family, { count: 0 });
    const { verdict, data } = family.dial(20_000);
    expect(verdict).toBe(tc.redirect);
    const ip = data.subarray(14);
    if (family.family === "IPv4") {
      expect(parseFrame(data)).toMatchObject({ source: vip, destination: pod.client.ip, ipChecksumIsRight: true });
      const message = ip.subarray(20, ip.readUInt16BE(2));
      expect([ip[9], message[0], message[1]]).toEqual([proto.icmp, 3, 3]);
      expect(internetChecksum(message)).toBe(0);
      expect(message.subarray(8 + 16, 8 + 20)).toEqual(Buffer.from(IpAddress.parse(vip).bytes));
      expect(message.readUInt16BE(8 + 20)).toBe(20_000);
    } else {
      const answer = parseFrame6(data);
      expect(answer).toMatchObject({ source: vip6, destination: ip6.client, protocol: 58, l4ChecksumIsRight: true });
      expect([answer.layer4[0], answer.layer4[1]]).toEqual([1, 4]);
      expect(answer.layer4.readUInt16BE(8 + 40)).toBe(20_000);
    }
  });
});

describe.each([
  ["the socket LB does not serve pods", { socketLb: false }],
  ["the socket LB serves the node alone", { socketLbHostnsOnly: true }],
  ["the node is told to", { disableExternalIpMitigation: true }],
])("Services per packet, where %s", (_name, config) => {
  it.each(families)("translate external addresses of $family, whose ever they are", (family) => {
    const before = datapath;
    datapath = new DatapathHarness({ enableIpv6: true, ...config });
    try {
      datapath.addIp6();
      services = new Services(datapath, maglev);
      serve(family, { count: 1, flags: serviceFlag.externalIp, ownsAddress: false });
      expect(family.dial(20_000).reached).toBe(family.backend(1));
    } finally {
      datapath[Symbol.dispose]();
      datapath = before;
    }
  });
});

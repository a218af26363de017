import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { isFeatureAvailable, probeKernelFeatures } from "../../src/kernel/features.js";
import { KernelError } from "../../src/lib/errors.js";
import { DatapathHarness, ip6, pod, remotePod, tc, vip } from "./harness.js";
import { ipv4Packet, ipv6Packet, parseFrame, parseFrame6, proto, tcpFlag } from "./packet-builder.js";

const FEATURE = "csum_ipv6";
const CLIENT_PORT = 4000;
const config = { enableIpv6: true, routingMode: "native" } as const;

/** A Service whose backend is another node's pod. */
function prepare(datapath: DatapathHarness): void {
  datapath.reset();
  datapath.addIp6();
  datapath.addService([`[${ip6.remotePod}]:8080`], { vip: ip6.vip });
  datapath.addService([`[${ip6.remotePod}]:8080`], { vip: ip6.vip, protocol: proto.udp, serviceId: 6 });
}

const dialled = (protocol: number) =>
  ipv6Packet({
    source: ip6.client,
    destination: ip6.vip,
    sourcePort: CLIENT_PORT,
    protocol,
    payload: Buffer.from("question"),
  });
const answer = (protocol: number) =>
  ipv6Packet({
    source: ip6.remotePod,
    destination: ip6.client,
    sourcePort: 8080,
    destinationPort: CLIENT_PORT,
    protocol,
    tcpFlags: tcpFlag.syn | tcpFlag.ack,
    payload: Buffer.from("an answer"),
  });
/** From the backend, whose address the error itself has as well. */
const error = (quoted: Buffer) =>
  ipv6Packet({
    source: ip6.remotePod,
    destination: ip6.client,
    protocol: proto.icmpv6,
    icmp: { type: 1, code: 4 },
    payload: quoted.subarray(14),
  });

describe.each([
  ["with the kernel's flag for IPv6", ""],
  ["without it", FEATURE],
])("translated packets %s", (_name, disabled) => {
  let datapath: DatapathHarness;
  beforeAll(() => {
    vi.stubEnv("CTS_DISABLE_FEATURES", disabled);
    datapath = new DatapathHarness(config);
    vi.unstubAllEnvs();
  });
  beforeEach(() => prepare(datapath));
  afterAll(() => datapath[Symbol.dispose]());

  it.each([
    ["TCP", proto.tcp],
    ["UDP", proto.udp],
  ])("have the right checksums: %s", (_protocol, protocol) => {
    const sent = datapath.run("fromContainer", dialled(protocol)).data;
    expect(parseFrame6(sent)).toMatchObject({ destination: ip6.remotePod, l4ChecksumIsRight: true });
    const { verdict, data } = datapath.run("fromNetdev", answer(protocol));
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame6(data)).toMatchObject({ source: ip6.vip, l4ChecksumIsRight: true });
  });

  it("have them in ICMP errors", () => {
    const { data } = datapath.run("fromContainer", dialled(proto.udp));
    const heard = datapath.run("fromNetdev", error(data));
    expect(parseFrame6(heard.data)).toMatchObject({ source: ip6.vip, l4ChecksumIsRight: true });
  });
});

describe("packets that a device has summed up keep their sum, or the kernel makes it again", () => {
  let datapath: DatapathHarness;
  beforeAll(() => {
    datapath = new DatapathHarness(config);
  });
  beforeEach(() => prepare(datapath));
  afterAll(() => datapath[Symbol.dispose]());

  /** Kernels that cannot try it say so: what they make of the packet is looked at all the same. */
  const canSumUp = (data: Buffer): boolean => {
    try {
      return datapath.programs.toHost.testRun({ data, isSummedUp: true }).data.length > 0;
    } catch (failure) {
      if (failure instanceof KernelError && failure.details.errno === "EINVAL") return false;
      throw failure;
    }
  };

  const arrive = (data: Buffer) => {
    const result = datapath.programs.fromNetdev.testRun({ data, isSummedUp: canSumUp(data) });
    return { verdict: result.retval >>> 0, data: result.data };
  };

  it.each([
    ["TCP", proto.tcp],
    ["UDP", proto.udp],
  ])("answers of a Service: %s", (_protocol, protocol) => {
    datapath.run("fromContainer", dialled(protocol));
    const { verdict, data } = arrive(answer(protocol));
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame6(data)).toMatchObject({ source: ip6.vip, hopLimit: 63, l4ChecksumIsRight: true });
  });

  it("packets for a pod as they are", () => {
    const { verdict, data } = arrive(ipv6Packet({ source: ip6.remotePod, destination: ip6.client }));
    expect(verdict).toBe(tc.redirect);
    expect(parseFrame6(data)).toMatchObject({ hopLimit: 63, l4ChecksumIsRight: true });
  });

  it("ICMP errors with what they quote", () => {
    const { data: quoted } = datapath.run("fromContainer", dialled(proto.udp));
    const { data } = arrive(error(quoted));
    expect(parseFrame6(data)).toMatchObject({ source: ip6.vip, l4ChecksumIsRight: true });
  });

  it("packets of IPv4", () => {
    datapath.addService([`${remotePod.ip}:8080`]);
    const [source, destination] = [pod.client.ip, remotePod.ip];
    datapath.run("fromContainer", ipv4Packet({ source, destination: vip, sourcePort: CLIENT_PORT }));
    const back = { sourcePort: 8080, destinationPort: CLIENT_PORT, tcpFlags: tcpFlag.syn | tcpFlag.ack };
    const { data } = arrive(ipv4Packet({ source: destination, destination: source, ...back }));
    expect(parseFrame(data)).toMatchObject({ source: vip, ttl: 63, l4ChecksumIsRight: true });
  });
});

it("a kernel's feature that is masked is not found", () => {
  vi.stubEnv("CTS_DISABLE_FEATURES", FEATURE);
  expect(isFeatureAvailable(FEATURE)).toBe(false);
  vi.unstubAllEnvs();
  const probed = probeKernelFeatures({ disabled: new Set() }).find(({ name }) => name === FEATURE);
  expect(isFeatureAvailable(FEATURE)).toBe(probed?.available);
});

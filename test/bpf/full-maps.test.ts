import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { encodeDevice } from "../../src/datapath/entries.js";
import { IpAddress } from "../../src/lib/ip.js";
import { DatapathHarness, LOOPBACK_IFINDEX, nodeIp, pod, tc, worldIp } from "./harness.js";
import { ipv4Packet, parseFrame, proto, tcpFlag } from "./packet-builder.js";

/** Of the harness's maps. */
const ROOM = 4096;
const FLOWS = 3 * ROOM;

const { client, server } = pod;
let datapath: DatapathHarness;
beforeAll(() => {
  datapath = new DatapathHarness();
});
beforeEach(() => datapath.reset());
afterAll(() => datapath[Symbol.dispose]());

const flow = (index: number, options: object = {}): Buffer =>
  ipv4Packet({
    source: client.ip,
    destination: server.ip,
    sourcePort: 1024 + index,
    tcpFlags: tcpFlag.syn,
    ...options,
  });
const answer = (index: number): Buffer =>
  ipv4Packet({
    source: server.ip,
    destination: client.ip,
    sourcePort: 80,
    destinationPort: 1024 + index,
    tcpFlags: tcpFlag.syn | tcpFlag.ack,
  });

describe("more flows than the conntrack map has room for", () => {
  it.each([
    ["TCP", {}],
    ["UDP", { protocol: proto.udp }],
  ])("open all the same: the oldest of %s give way", (_, options) => {
    const verdicts = new Set(
      Array.from({ length: FLOWS }, (__, index) => datapath.run("fromContainer", flow(index, options)).verdict),
    );
    expect([...verdicts]).toEqual([tc.redirect]);
    expect(datapath.drops()).toEqual([]);
    expect(datapath.connections().length).toBeLessThanOrEqual(ROOM);
  });

  it("leave the answers of those that gave way to the policy: never let in, and counted", () => {
    datapath.run("fromContainer", flow(0));
    for (let index = 1; index < FLOWS; index++) datapath.run("fromContainer", flow(index));
    datapath.relabel(server, 1, server.identity);
    datapath.setPolicy(client.id, []);
    expect(datapath.run("fromContainer", answer(FLOWS - 1)).verdict).toBe(tc.redirect);
    expect(datapath.drops()).toEqual([]);
    expect(datapath.run("fromContainer", answer(0)).verdict).toBe(tc.shot);
    expect(datapath.drops()).toEqual(["133 policy.h ingress"]);
  });
});

describe("more flows than the NAT map has room for", () => {
  it("leave under the node's address all the same, and no two that are remembered under one port", () => {
    datapath.addHost(nodeIp);
    const device = encodeDevice({ name: "lo", ifindex: LOOPBACK_IFINDEX, ipv4: IpAddress.parse(nodeIp) });
    datapath.get("cts_devices").update(device.key, device.value);
    for (let index = 0; index < FLOWS; index++) {
      const { verdict, data } = datapath.run("toNetdev", flow(index, { destination: worldIp }));
      expect(verdict).toBe(tc.next);
      expect(parseFrame(data)).toMatchObject({ source: nodeIp, ipChecksumIsRight: true, l4ChecksumIsRight: true });
    }
    expect(datapath.drops()).toEqual([]);
    const translated = datapath.translations().filter((line) => line.startsWith("OUT"));
    expect(translated.length).toBeGreaterThan(ROOM / 4);
    expect(new Set(translated.map((line) => line.split(" = ")[1])).size).toBe(translated.length);
  });
});

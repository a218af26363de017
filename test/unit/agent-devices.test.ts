import { describe, expect, it } from "vitest";
import { detectDevices } from "../../src/agent/devices/detect-devices.js";
import type { LinkFacts } from "../../src/agent/system/ip-batch.js";
import { IpAddress } from "../../src/lib/ip.js";

const link = (
  ifindex: number,
  ifname: string,
  facts: Partial<LinkFacts> & { readonly ip?: string } = {},
): LinkFacts => ({
  ifindex,
  ifname,
  mtu: 1500,
  flags: ["UP"],
  addr_info: facts.ip === undefined ? [] : [{ family: "inet", local: facts.ip, prefixlen: 24, scope: "global" }],
  ...facts,
});

const links = [
  link(1, "lo", { flags: ["LOOPBACK"], ip: "127.0.0.1" }),
  link(2, "eth0", { ip: "172.18.0.2", linkinfo: { info_kind: "veth" } }),
  link(3, "eth1", { ip: "10.9.0.1" }),
  link(4, "veth7", { linkinfo: { info_kind: "veth" }, ip: "10.8.0.1" }),
  link(5, "br0", { linkinfo: { info_kind: "bridge" }, ip: "10.7.0.1" }),
  link(6, "eth2", { master: "bond0" }),
  link(7, "cilium_host", { ip: "10.244.0.1" }),
  link(8, "eth3"),
];
const routes = [
  { dst: "default", dev: "eth0" },
  { dst: "10.9.0.0/24", dev: "eth1" },
  { dst: "10.8.0.0/24", dev: "veth7" },
  { dst: "10.7.0.0/24", dev: "br0" },
  { dst: "10.6.0.0/24", dev: "eth2" },
  { dst: "10.244.0.0/24", dev: "cilium_host" },
  { dst: "fe80::/64", dev: "eth3" },
];
const names = (patterns: string, options: object = {}): readonly string[] =>
  detectDevices({ links, routes, nodeAddresses: [IpAddress.parse("172.18.0.2")], patterns, ...options }).map(
    ({ name }) => name,
  );

describe("the node's devices", () => {
  it("are those with a global route; no bridges, no ports of them, veths only as an uplink", () => {
    expect(names("")).toEqual(["eth0", "eth1"]);
  });

  it("include the veth that holds the node's address, default route or not", () => {
    expect(names("", { routes: [] })).toEqual(["eth0"]);
  });

  it("are what the setting says, with wildcards and exclusions; never ours", () => {
    expect(names("eth+")).toEqual(["eth0", "eth1", "eth2", "eth3"]);
    expect(names("eth+, !eth1")).toEqual(["eth0", "eth2", "eth3"]);
    expect(names("br0 veth+")).toEqual(["veth7", "br0"]);
    expect(names("+")).not.toContain("cilium_host");
    expect(names("eth9")).toEqual([]);
  });

  it("are masqueraded with the node's address where they have it, else with their first global one", () => {
    const both = link(2, "eth0", {
      addr_info: [
        { family: "inet", local: "10.0.0.9", prefixlen: 24, scope: "global" },
        { family: "inet", local: "172.18.0.2", prefixlen: 16, scope: "global" },
        { family: "inet6", local: "fe80::1", prefixlen: 64, scope: "link" },
        { family: "inet6", local: "fd00::2", prefixlen: 64, scope: "global" },
      ],
    });
    const [device] = detectDevices({
      links: [both],
      routes,
      nodeAddresses: [IpAddress.parse("172.18.0.2")],
      patterns: "",
    });
    expect([device?.ipv4?.text, device?.ipv6?.text]).toEqual(["172.18.0.2", "fd00::2"]);
  });
});

import { describe, expect, it } from "vitest";
import { planDirectRoutes, planRoutes } from "../../src/agent/nodes/node-routes.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import { parseNonMasqueraded } from "../../src/state/non-masqueraded.js";
import { dualNode, testNode } from "../support/agent-fixture.js";

describe("direct routes of native routing", () => {
  const range = (prefix: string, ...ips: readonly string[]) => ({
    prefix: IpPrefix.parse(prefix),
    nodeIps: ips.map((ip) => IpAddress.parse(ip)),
  });
  const on = { autoDirectNodeRoutes: true, directRoutingSkipUnreachable: false };
  const segment = [
    { dst: "default", dev: "eth0", gateway: "172.18.0.1" },
    { dst: "172.18.0.0/16", dev: "eth0" },
    { dst: "fd00:172:18::/64", dev: "eth0" },
  ];

  it("lead through the nodes of the own segment, family by family", () => {
    const ranges = [
      range("10.244.1.0/24", "172.18.0.3", "fd00:172:18::3"),
      range("fd00:10:244:1::/64", "172.18.0.3", "fd00:172:18::3"),
    ];
    expect(planDirectRoutes(dualNode, on, ranges, segment)).toEqual({
      wanted: [
        ["10.244.1.0/24", "10.244.1.0/24 via 172.18.0.3 dev eth0 src 172.18.0.2"],
        ["fd00:10:244:1::/64", "fd00:10:244:1::/64 via fd00:172:18::3 dev eth0 src fd00:172:18::2"],
      ],
      problems: [],
    });
  });

  it("to nodes on other segments are a problem, unless the setting says otherwise; off, nothing is routed", () => {
    const ranges = [range("10.244.1.0/24", "192.0.2.3")];
    expect(planDirectRoutes(dualNode, on, ranges, segment).problems).toEqual([
      "no direct route to 10.244.1.0/24: its node 192.0.2.3 is on another segment",
    ]);
    const none = { wanted: [], problems: [] };
    expect(planDirectRoutes(dualNode, { ...on, directRoutingSkipUnreachable: true }, ranges, segment)).toEqual(none);
    expect(planDirectRoutes(dualNode, { ...on, autoDirectNodeRoutes: false }, ranges, segment)).toEqual(none);
  });

  it("stand beside the own range's and go with their node", () => {
    const wanted = planDirectRoutes(testNode, on, [range("10.244.1.0/24", "172.18.0.3")], segment).wanted;
    const own = [testNode.podRanges[0]!.podCidr];
    const { steps } = planRoutes(testNode, own, [], wanted);
    expect(steps).toContain("route replace 10.244.1.0/24 via 172.18.0.3 dev eth0 src 172.18.0.2 proto 197");
    const kernel = [
      { dst: "10.244.1.0/24", dev: "eth0", gateway: "172.18.0.3", prefsrc: "172.18.0.2", protocol: "197" },
    ];
    expect(planRoutes(testNode, own, kernel, wanted).steps.join()).not.toContain("10.244.1.0");
    expect(planRoutes(testNode, own, kernel, []).steps).toContain("route delete 10.244.1.0/24 proto 197");
  });
});

describe("the file of the ip-masq-agent", () => {
  const texts = (text: string | undefined): readonly string[] =>
    parseNonMasqueraded(text).prefixes.map((prefix) => prefix.text);

  it("has upstream's defaults when it is missing", () => {
    expect(texts(undefined)).toEqual(
      expect.arrayContaining(["10.0.0.0/8", "240.0.0.0/4", "169.254.0.0/16", "fe80::/10"]),
    );
  });

  it("names prefixes, as YAML or JSON; link-local ones are left out of masquerading unless it says otherwise", () => {
    expect(texts("nonMasqueradeCIDRs: [10.1.0.0/16, fd00::/8]")).toEqual([
      "10.1.0.0/16",
      "fd00::/8",
      "169.254.0.0/16",
      "fe80::/10",
    ]);
    expect(texts('{"nonMasqueradeCIDRs":["10.1.0.0/16"],"masqLinkLocal":true,"masqLinkLocalIPv6":true}')).toEqual([
      "10.1.0.0/16",
    ]);
    expect(texts("")).toEqual(["169.254.0.0/16", "fe80::/10"]);
  });

  it("is told wrong in words, the rest of it holds", () => {
    const { prefixes, problems } = parseNonMasqueraded("nonMasqueradeCIDRs: [10.1.0.0/16, nonsense, 7]");
    expect(prefixes.map(String)).toContain("10.1.0.0/16");
    expect(problems).toEqual(['nonMasqueradeCIDRs: "nonsense" is no prefix', "nonMasqueradeCIDRs: 7 is no prefix"]);
    expect(parseNonMasqueraded("- x").problems).toEqual(["it holds no object"]);
    expect(parseNonMasqueraded("{").problems[0]).toMatch(/^it is no YAML: /);
    expect(parseNonMasqueraded("nonMasqueradeCIDRs: 1").problems).toEqual(["nonMasqueradeCIDRs is no list"]);
  });
});

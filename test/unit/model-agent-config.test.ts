import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/lib/errors.js";
import { defaultAgentConfig, formatAgentConfig, parseAgentConfig } from "../../src/model/agent-config.js";
import { agentSettings } from "../../src/model/agent-settings.js";
import { tunnelPortOf } from "../../src/model/tunnel-protocol.js";
import { laterSettings, otherUpstreamKeys } from "../../src/model/upstream-config-keys.js";

function problemsOf(data: Record<string, string>): readonly string[] {
  try {
    parseAgentConfig(data);
  } catch (error) {
    if (error instanceof UsageError) return error.details.problems as readonly string[];
    throw error;
  }
  return [];
}

describe("agent settings", () => {
  it("have upstream's defaults", () => {
    const { config, notes } = parseAgentConfig({});
    expect(config).toEqual(defaultAgentConfig());
    expect(notes).toEqual([]);
    expect(config).toMatchObject({
      clusterName: "default",
      clusterId: 0,
      tunnelPort: 0,
      ctTcpMax: 524_288,
      ctAnyMax: 262_144,
      ctTimeoutTcpSeconds: 8000,
      ctTimeoutTcpSynSeconds: 60,
      ctTimeoutTcpFinSeconds: 10,
      lbMapMax: 65_536,
      policyMapMax: 16_384,
      monitorAggregation: "medium",
    });
  });

  it("reads every kind of value", () => {
    const { config } = parseAgentConfig({
      "bpf-lb-sock": "false",
      "bpf-ct-timeout-regular-tcp": "2h13m20s",
      "bpf-ct-global-tcp-max": "1024",
      "cluster-name": "east",
      "monitor-aggregation": "none",
      mtu: "9000",
    });
    expect(config).toMatchObject({
      socketLb: false,
      ctTimeoutTcpSeconds: 8000,
      ctTcpMax: 1024,
      clusterName: "east",
      monitorAggregation: "none",
      mtu: 9000,
    });
  });

  it("have a tunnel port for each protocol unless one is set", () => {
    const portOf = (data: Record<string, string>): number => tunnelPortOf(parseAgentConfig(data).config);
    expect(portOf({})).toBe(8472);
    expect(portOf({ "tunnel-protocol": "geneve" })).toBe(6081);
    expect(portOf({ "tunnel-protocol": "geneve", "tunnel-port": "7000" })).toBe(7000);
  });

  it("writes what it reads", () => {
    const data = { "bpf-lb-sock": "false", "bpf-ct-timeout-regular-any": "1m30s", "tunnel-port": "8473" };
    expect(formatAgentConfig(parseAgentConfig(data).config)).toEqual(data);
  });

  it("accepts its own default of every setting as text", () => {
    const everyDefault = Object.fromEntries(
      Object.values(agentSettings).map((setting) => [
        setting.key,
        (setting.format as (value: unknown) => string)(setting.defaultValue),
      ]),
    );
    expect(parseAgentConfig(everyDefault).config).toEqual(defaultAgentConfig());
  });

  it("sizes maps by the machine's memory, those that the user did not size", () => {
    const gib = 2 ** 30;
    const sizesOf = (data: Record<string, string>, memoryBytes: number) => {
      const { ctTcpMax, ctAnyMax, sockRevNatMapMax } = parseAgentConfig(data, { memoryBytes }).config;
      return [ctTcpMax, ctAnyMax, sockRevNatMapMax];
    };
    // Upstream 1.20 on a machine with this memory: 221723 entries for a map of 524288 by default, 110861 for one of 262144.
    expect(sizesOf({}, 25_276_510_208)).toEqual([221_723, 110_861, 110_861]);
    expect(sizesOf({}, 4 * gib)).toEqual([131_072, 65_536, 65_536]);
    expect(sizesOf({}, 2 ** 52)).toEqual(Array(3).fill(16_777_216));
    expect(sizesOf({ "bpf-ct-global-tcp-max": "2048" }, 64 * gib)).toEqual([2048, 301_401, 301_401]);
    expect(sizesOf({ "bpf-map-dynamic-size-ratio": "0" }, 64 * gib)).toEqual([524_288, 262_144, 262_144]);
    expect(problemsOf({ "bpf-map-dynamic-size-ratio": "2" })).toEqual([
      'bpf-map-dynamic-size-ratio takes a number, 0…1, not "2"',
    ]);
  });

  it("reads prefixes and port ranges of the node's devices", () => {
    const data = { "ipv4-native-routing-cidr": "10.0.0.0/8", "node-port-range": "20000,20100" };
    const { config } = parseAgentConfig(data);
    expect(config.ipv4NativeRoutingCidr?.text).toBe("10.0.0.0/8");
    expect(config.nodePortRange).toEqual({ first: 20_000, last: 20_100 });
    expect(formatAgentConfig(config)).toEqual(data);
    expect(
      problemsOf({
        "ipv4-native-routing-cidr": "fd00::/8",
        "ipv6-native-routing-cidr": "fd00::1",
        "node-port-range": "9,8",
        devices: "eth0/1",
        "enable-masquerade-to-route-source": "true",
        "bpf-lb-dsr-dispatch": "geneve",
      }),
    ).toEqual([
      'ipv4-native-routing-cidr takes nothing or an IPv4 prefix, not "fd00::/8"',
      'ipv6-native-routing-cidr takes nothing or an IPv6 prefix, not "fd00::1"',
      'node-port-range takes two ports up to 61439, the lower one first, with a comma between, not "9,8"',
      expect.stringContaining("devices takes device names"),
      'enable-masquerade-to-route-source: "true" is not supported by this version; leave it out or set "false"',
      'bpf-lb-dsr-dispatch "geneve" is not supported by this version; it takes opt, ipip',
    ]);
  });

  it.each([
    [{ "bpf-lb-mode": "dsr" }, "bpf-lb-mode dsr"],
    [{ "bpf-lb-mode": "hybrid" }, "bpf-lb-mode hybrid"],
    [{ "bpf-lb-mode-annotation": "true" }, "bpf-lb-mode-annotation"],
  ])("takes direct server return without a tunnel alone: %j", (keys, named) => {
    expect(problemsOf(keys)).toEqual([
      `${named} with bpf-lb-dsr-dispatch opt needs routing-mode native: a tunnel leaves no place for the frontend`,
    ]);
    const native = { "routing-mode": "native", "ipv4-native-routing-cidr": "10.0.0.0/8" };
    expect(problemsOf({ ...keys, ...native })).toEqual([]);
  });

  it("takes packets in packets where it has been told one way for frontends, and their source for those alone", () => {
    const native = { "routing-mode": "native", "ipv4-native-routing-cidr": "10.0.0.0/8" };
    const source = { "bpf-lb-rss-ipv4-src-cidr": "10.9.0.0/16" };
    const ipip = { ...native, "bpf-lb-mode": "dsr", "bpf-lb-dsr-dispatch": "ipip" };
    expect(problemsOf({ ...ipip, ...source, "enable-ipip-termination": "true" })).toEqual([]);
    expect(problemsOf({ "enable-ipip-termination": "true" })).toEqual([]);
    expect(problemsOf({ ...native, "bpf-lb-mode": "dsr", "enable-ipip-termination": "true" })).toEqual([
      "enable-ipip-termination with bpf-lb-mode dsr needs bpf-lb-dsr-dispatch ipip: frontends come one way or the other",
    ]);
    expect(problemsOf(source)).toEqual([
      "bpf-lb-rss-ipv4-src-cidr and bpf-lb-rss-ipv6-src-cidr need bpf-lb-mode dsr and bpf-lb-dsr-dispatch ipip",
    ]);
  });

  it("wants to know what is not masqueraded where there is no tunnel", () => {
    const native = { "routing-mode": "native", "enable-ipv6": "true" };
    expect(problemsOf(native)).toEqual([
      expect.stringMatching(/^ipv4-native-routing-cidr is needed with routing-mode native/),
      expect.stringMatching(/^ipv6-native-routing-cidr is needed/),
    ]);
    expect(
      problemsOf({ ...native, "ipv4-native-routing-cidr": "10.0.0.0/8", "enable-ipv6-masquerade": "false" }),
    ).toEqual([]);
  });

  it("names every wrong key and value at once, with the nearest known key", () => {
    expect(
      problemsOf({
        "bpf-lb-sok": "true",
        "bpf-lb-sock": "yes",
        "bpf-policy-map-max": "255",
        "bpf-ct-global-tcp-max": "-1",
        "cluster-name": "No Name",
        zzzzzzzzzzzzzz: "1",
      }),
    ).toEqual([
      "bpf-lb-sok is no setting: did you mean bpf-lb-sock?",
      'bpf-lb-sock takes true or false, not "yes"',
      'bpf-policy-map-max takes a number, 256…65536, not "255"',
      'bpf-ct-global-tcp-max takes a number, 1024…16777216, not "-1"',
      'cluster-name takes up to 32 lower-case letters, digits and dashes, not "No Name"',
      "zzzzzzzzzzzzzz is no setting",
    ]);
  });

  it("refuses by name what upstream has and this version has not", () => {
    expect(problemsOf({ "enable-wireguard": "true", "kube-proxy-replacement": "true" })).toEqual([
      'enable-wireguard: "true" is not supported by this version; leave it out or set "false"',
      'kube-proxy-replacement: "true" is not supported by this version; leave it out or set "false"',
    ]);
  });

  it("notes upstream's other keys and passes them over", () => {
    expect(parseAgentConfig({ "enable-ipsec": "false", "hubble-listen-address": ":4244" }).notes).toEqual([
      'enable-ipsec: "false" is what this version does anyway',
      "hubble-listen-address: not used by this version",
    ]);
  });

  it("knows each key once", () => {
    const ours = new Set<string>(Object.values(agentSettings).map((setting) => setting.key));
    expect(ours.size).toBe(Object.keys(agentSettings).length);
    expect([...otherUpstreamKeys, ...Object.keys(laterSettings)].filter((key) => ours.has(key))).toEqual([]);
    expect(Object.keys(laterSettings).filter((key) => otherUpstreamKeys.has(key))).toEqual([]);
  });
});

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createAbi } from "../../src/abi/abi.js";
import type { Codec } from "../../src/abi/codec.js";
import { findCatalogueEntry, mapCatalogue } from "../../src/abi/map-catalogue.js";
import { policyPrecedence } from "../../src/abi/policy.js";
import { upstreamMap } from "../../src/abi/upstream-maps.js";
import { endpointOfPolicyMap, policyMapName } from "../../src/model/policy-map-name.js";
import { smallMaps } from "../../src/model/small-maps/small-maps.js";
import { sourceIn } from "../support/small-map-samples.js";
import { capturedMapNames, readCapturedMap } from "./abi-capture-files.js";
import { ctRows, ipcacheRows, localEndpointRows, serviceEntryRows } from "./output-cilium-rows.js";

const abi = createAbi("1.20");
const { conntrack, loadBalancing: lb, ipcache, endpoints, metrics, policy } = abi;

const codecs: Readonly<Record<string, readonly [Codec<never>, Codec<never>]>> = {
  cilium_ct4_global: pair(conntrack.tuple4, conntrack.entry),
  cilium_ct_any4_global: pair(conntrack.tuple4, conntrack.entry),
  cilium_ct6_global: pair(conntrack.tuple6, conntrack.entry),
  cilium_ct_any6_global: pair(conntrack.tuple6, conntrack.entry),
  cilium_lb4_services_v2: pair(lb.v4.serviceKey, lb.v4.serviceValue),
  cilium_lb6_services_v2: pair(lb.v6.serviceKey, lb.v6.serviceValue),
  cilium_lb4_backends_v3: pair(lb.backendId, lb.v4.backendValue),
  cilium_lb6_backends_v3: pair(lb.backendId, lb.v6.backendValue),
  cilium_lb4_reverse_nat: pair(lb.revNatId, lb.v4.revNatValue),
  cilium_lb6_reverse_nat: pair(lb.revNatId, lb.v6.revNatValue),
  cilium_lb4_reverse_sk: pair(lb.v4.sockRevNatKey, lb.v4.sockRevNatValue),
  cilium_lb6_reverse_sk: pair(lb.v6.sockRevNatKey, lb.v6.sockRevNatValue),
  cilium_lxc: pair(endpoints.key, endpoints.value),
  cilium_ipcache_v2: pair(ipcache.key, ipcache.value),
  cilium_metrics: pair(metrics.key, metrics.value),
  ...smallMapCodecs(),
  cilium_policy_v2_NNNNN: pair(policy.key, policy.value),
};

function smallMapCodecs(): Record<string, readonly [Codec<never>, Codec<never>]> {
  const sources = smallMaps.flatMap((map) => map.sources).filter(({ inner }) => inner === undefined);
  return Object.fromEntries(
    sources.flatMap((source) => {
      const codecs = sourceIn(source, "1.20")?.codecs;
      return codecs === undefined ? [] : [[source.pin, pair(codecs.key, codecs.value)]];
    }),
  );
}

function pair<K, V>(key: Codec<K>, value: Codec<V>): readonly [Codec<never>, Codec<never>] {
  return [key as unknown as Codec<never>, value as unknown as Codec<never>];
}

const capturedNames = capturedMapNames("1.20");
const codecsOf = (name: string) => codecs[name.replace(/_\d{5}$/, "_NNNNN")];

describe("the maps of a real node", () => {
  it.each(capturedNames.filter((name) => codecsOf(name) !== undefined))(
    "%s: every byte that is not padding survives decode and encode",
    (name) => {
      const [key, value] = codecsOf(name)!;
      const map = readCapturedMap(name);
      expect([key.sizeBytes, value.sizeBytes]).toEqual([map.keySizeBytes, map.valueSizeBytes]);
      for (const entry of map.entries) {
        expect(key.encode(key.decode(entry.key)).toString("hex")).toBe(entry.key.toString("hex"));
        for (let at = 0; at < entry.value.length; at += value.sizeBytes) {
          const bytes = entry.value.subarray(at, at + value.sizeBytes);
          expect(value.encode(value.decode(bytes)).toString("hex")).toBe(bytes.toString("hex"));
        }
      }
    },
  );

  it("have the sizes and flags of the table of upstream's maps, and where we have the map of ours", () => {
    for (const name of capturedNames) {
      const { type, keySizeBytes, valueSizeBytes, flags } = readCapturedMap(name);
      const found = { type, keySizeBytes, valueSizeBytes, flags };
      expect({ name, ...upstreamMap(name, "1.20") }).toMatchObject({ name: expect.any(String), ...found });
      const entry = findCatalogueEntry(name);
      if (entry === undefined) continue;
      const { keySizeBytes: key, valueSizeBytes: value } = entry;
      expect({ type: entry.type, keySizeBytes: key, valueSizeBytes: value, flags: entry.flags }).toEqual(found);
    }
  });

  it("connections read as their first packet went", () => {
    const service = ctRows().find((row) => row.direction === "service" && row.sourcePort === 34014)!;
    expect(`${service.source}:${service.sourcePort} ${service.destination}:${service.destinationPort}`).toBe(
      "10.89.0.1:34014 10.89.0.11:30080",
    );
    expect(service).toMatchObject({ revNatId: 8, backendId: 13n, state: "closed", map: "tcp4" });
    const outgoing = ctRows().find((row) => row.sourcePort === 34256)!;
    expect(`${outgoing.source} ${outgoing.destination}:${outgoing.destinationPort}`).toBe(
      "10.245.0.79 10.245.1.5:8080",
    );
  });

  it("states follow from what was seen", () => {
    const states = new Map(
      ctRows()
        .filter((row) => row.protocol === 6)
        .map((row) => [row.flagNames.join(), row.state]),
    );
    expect(states.get("")).toBe("new");
    expect(states.get("SeenNonSyn")).toBe("established");
    expect(states.get("RxClosing,TxClosing,SeenNonSyn")).toBe("closed");
  });

  it("services, endpoints and prefixes mean what upstream printed", () => {
    const affinity = serviceEntryRows().find(
      (row) => row.address.text === "10.97.0.50" && row.slot === 0 && row.port === 80,
    );
    expect(affinity).toMatchObject({ affinityTimeoutSeconds: 600, count: 3, serviceType: "ClusterIP" });
    const maglev = serviceEntryRows().find((row) => row.port === 30081 && row.slot === 0);
    expect(maglev).toMatchObject({ algorithm: "maglev", affinityTimeoutSeconds: 0 });
    const remote = ipcacheRows().find((row) => row.prefix.text === "10.245.1.0/24");
    expect(remote).toMatchObject({ identity: 9, flagNames: ["hastunnel"] });
    expect(remote?.tunnelEndpoint?.text).toBe("10.89.0.12");
    expect(
      localEndpointRows()
        .filter((row) => row.isHost)
        .map((row) => row.address.text),
    ).toContain("10.89.0.11");
  });

  it("policy entries carry direction, port and precedence", () => {
    const rows = readCapturedMap("cilium_policy_v2_00878").entries.map((entry) =>
      policy.row({
        map: "cilium_policy_v2_00878",
        endpointId: 878,
        key: policy.key.decode(entry.key),
        entry: policy.value.decode(entry.value),
        flags: 0,
      }),
    );
    const port = rows.find((row) => row.port === 8080)!;
    expect(port).toMatchObject({
      identity: 16777220 - 2,
      direction: "ingress",
      protocol: 6,
      lastPort: 8080,
      isDeny: false,
    });
    const any = rows.find((row) => row.identity === 0)!;
    expect(any).toMatchObject({ direction: "egress", protocol: 0, port: 0, lastPort: 65535 });
    expect(any.precedence! & 0xff).toBe(policyPrecedence.allow);
  });
});

describe("map catalogue", () => {
  it("says what the C declarations say", () => {
    const header = readFileSync("bpf/lib/maps.h", "utf8").replace(/\s+/g, " ");
    const flagValues: Readonly<Record<string, number>> = {
      "0": 0,
      BPF_F_NO_PREALLOC: 1,
      READ_ONLY_HASH: 0x81,
      BPF_F_NO_COMMON_LRU: 2,
    };
    const structName = (type: string): string => type.replace("struct ", "").replace("__", "");
    const declared = [
      ...header.matchAll(/DECLARE_MAP\((c\w+), BPF_MAP_TYPE_(\w+), ([\w ]+), ([\w ]+), (\w+), (\w+)\)/g),
    ];
    expect(declared.length).toBeGreaterThan(10);
    for (const [, name, type, key, value, entries, flags] of declared) {
      expect(findCatalogueEntry(name!)).toMatchObject({
        name,
        type: type!.toLowerCase(),
        key: structName(key!),
        value: structName(value!),
        flags: flagValues[flags!],
        ...(/^\d+$/.test(entries!) ? { defaultMaxEntries: Number(entries) } : {}),
      });
    }
  });

  it("finds policy maps by endpoint", () => {
    expect(policyMapName(878)).toBe("cilium_policy_v2_00878");
    expect(endpointOfPolicyMap("cilium_policy_v2_00878")).toBe(878);
    expect(endpointOfPolicyMap("cilium_policy_00012")).toBe(12);
    expect(endpointOfPolicyMap("cilium_policystats")).toBeUndefined();
    expect(findCatalogueEntry("cilium_policy_v2_00878")?.valueSizeBytes).toBe(12);
    expect(findCatalogueEntry("cilium_nothing")).toBeUndefined();
  });

  it("names every map once", () => {
    expect(new Set(mapCatalogue.map((entry) => entry.name)).size).toBe(mapCatalogue.length);
  });
});

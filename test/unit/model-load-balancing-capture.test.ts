import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createLbCodecs } from "../../src/abi/load-balancing.js";
import { decodeMaglevTable } from "../../src/abi/maglev.js";
import { IpAddress } from "../../src/lib/ip.js";
import { defaultAgentConfig } from "../../src/model/agent-config.js";
import { translateHostPorts } from "../../src/model/host-ports.js";
import type { KubeEndpointSlice, KubePod, KubeService } from "../../src/model/kubernetes.js";
import { translateService } from "../../src/model/load-balancing.js";
import { createMaglevTable, maglevSeeds } from "../../src/model/maglev.js";
import type { ServiceNode } from "../../src/model/service-frontend.js";
import { readCapturedMap } from "./abi-capture-files.js";

/*
 * A real node of upstream's (test/fixtures/cilium-1.20): from its cluster's Services and EndpointSlices we must make what
 * lies in its maps.
 */

const objects = <T>(name: string): readonly T[] =>
  JSON.parse(readFileSync(new URL(`../fixtures/cilium-1.20/k8s/${name}.json`, import.meta.url), "utf8")) as T[];

const addresses = ["10.89.0.11", "fd00:89::11"].map((text) => IpAddress.parse(text));
const node: ServiceNode = {
  name: "rn1",
  families: [4, 6],
  nodePortAddresses: addresses,
  addresses,
  config: { ...defaultAgentConfig(), lbAlgorithmAnnotation: true },
};
const codecs = createLbCodecs(["1.20"]);
const families = [
  ["lb4", codecs.v4],
  ["lb6", codecs.v6],
] as const;

const backendTexts = new Map<number, string>();
for (const [prefix, { backendValue }] of families) {
  for (const { key, value } of readCapturedMap(`cilium_${prefix}_backends_v3`).entries) {
    const { address, port, protocol } = backendValue.decode(value);
    backendTexts.set(codecs.backendId.decode(key), `${address}:${port}/${protocol}`);
  }
}

/** A frontend as one line: its key, what its master says, its backends in slot order. */
function capturedLines(): readonly string[] {
  return families.flatMap(([prefix, { serviceKey, serviceValue, sourceRangeKey }]) => {
    const rows = readCapturedMap(`cilium_${prefix}_services_v2`).entries.map(({ key, value }) => ({
      ...serviceKey.decode(key),
      ...serviceValue.decode(value),
    }));
    const ranges = readCapturedMap(`cilium_${prefix}_source_range`).entries.map(({ key }) =>
      sourceRangeKey.decode(key),
    );
    const masters = rows.filter((row) => row.slot === 0 && row.port !== 0);
    return masters.map((master) => {
      const slots = rows
        .filter((row) => row.slot > 0 && row.revNatId === master.revNatId)
        .sort((a, b) => a.slot - b.slot);
      return JSON.stringify({
        key: `${master.address}:${master.port}/${master.protocol}/${master.scope}`,
        flags: master.flags | (master.flags2 << 8),
        union0: master.union0,
        count: master.count,
        slotFlags: [...new Set(slots.map((slot) => slot.flags | (slot.flags2 << 8)))],
        backends: slots.map((slot) => backendTexts.get(slot.union0)),
        ranges: ranges
          .filter(({ revNatId }) => revNatId === master.revNatId)
          .map(({ prefix: range }) => range.text)
          .sort(),
        hasTable: servicesWithTables.has(master.revNatId),
        ownsAddress: rows.some((row) => row.port === 0 && row.address.equals(master.address)),
      });
    });
  });
}

/** Keys of cilium_lb4_maglev on that node; the fixture holds the table of one of them, of IPv6 there were none. */
const servicesWithTables = new Set([12, 13, 15, 16, 17, 28]);

const algorithms = { default: 0, random: 1, maglev: 2 } as const;

function translatedLines(): readonly string[] {
  const slices = objects<KubeEndpointSlice>("endpointslices");
  const services = objects<KubeService>("services").map((service) =>
    translateService(
      service,
      slices.filter(({ metadata }) => metadata.labels?.["kubernetes.io/service-name"] === service.metadata.name),
      node,
    ),
  );
  const pods = objects<KubePod>("pods").map((pod) => translateHostPorts(pod, node));
  const all = [...services, ...pods];
  expect(all.flatMap(({ problems }) => problems)).toEqual([]);
  return all.flatMap(({ frontends }) =>
    frontends.map((one) =>
      JSON.stringify({
        key: `${one.address}:${one.port}/${one.protocol}/${one.scope}`,
        flags: one.flags,
        union0: one.affinityTimeoutSeconds | (algorithms[one.algorithm] << 24),
        count: one.activeCount,
        slotFlags: one.backends.length === 0 ? [] : [one.flags],
        backends: one.backends.map(({ address, port, protocol }) => `${address}:${port}/${protocol}`),
        ranges: one.sourceRanges.map(({ text }) => text).sort(),
        hasTable: one.hasMaglevTable && one.backends.length > 0,
        ownsAddress: one.ownsAddress,
      }),
    ),
  );
}

describe("a real cluster's Services", () => {
  it("become what upstream made of them: frontends, flags, backends, source ranges, tables, wildcards", () => {
    expect([...translatedLines()].sort()).toEqual([...capturedLines()].sort());
  });

  it("get upstream's Maglev tables, slot by slot", () => {
    const { entries, innerMaps } = readCapturedMap("cilium_lb4_maglev");
    const { backendValue } = codecs.v4;
    const backends = readCapturedMap("cilium_lb4_backends_v3").entries.map(({ key, value }) => ({
      backendId: codecs.backendId.decode(key),
      weight: 1,
      ...backendValue.decode(value),
    }));
    const seed = maglevSeeds(defaultAgentConfig().lbMaglevHashSeed).backends;
    expect(entries.length).toBeGreaterThan(0);
    for (const { innerId } of entries) {
      const wanted = decodeMaglevTable(innerMaps.get(innerId!)!.entries[0]!.value);
      const ids = new Set(wanted);
      const own = createMaglevTable(
        backends.filter(({ backendId }) => ids.has(backendId)),
        { tableSize: wanted.length, seed },
      );
      expect(Buffer.from(own.buffer).equals(Buffer.from(wanted.buffer))).toBe(true);
    }
  });
});

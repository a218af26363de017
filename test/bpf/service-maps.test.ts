import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { ServiceTables } from "../../src/agent/services/service-tables.js";
import { maglevTableSpec } from "../../src/datapath/maglev-maps.js";
import { Services } from "../../src/datapath/services.js";
import { readEntries } from "../../src/datapath/table.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import { serviceFlag } from "../../src/model/service-flag.js";
import type { ServiceFrontend } from "../../src/model/service-frontend.js";

const TABLE_SIZE = 251;
const maglev = { tableSize: TABLE_SIZE, seed: 1 };
const limits = { services: 4096, backends: 4096 };

/** The load balancer's maps of an installation, filled by nobody else. */
class ServiceMaps implements Disposable {
  readonly #maps: ReadonlyMap<string, BpfMap>;

  constructor() {
    const path = fileURLToPath(new URL("../../bpf/build/maps.bpf.o", import.meta.url));
    using object = BpfObject.open(path, { name: "cts_test" });
    using template = BpfMap.create(maglevTableSpec(TABLE_SIZE));
    for (const family of [4, 6]) object.setInnerMap(`cilium_lb${family}_maglev`, template);
    for (const map of object.maps)
      if (map.maxEntries > 4096 && !map.isInternal) object.setMapMaxEntries(map.name, 4096);
    object.load();
    const wanted = object.maps.filter(({ name }) => /^cilium_lb._|^cilium_lb_aff/.test(name));
    this.#maps = new Map(wanted.map(({ name }) => [name, object.map(name)]));
  }

  get(name: string): BpfMap {
    return this.#maps.get(name)!;
  }

  /** Every map's entries, as text; of Maglev the tables themselves. */
  content(): Readonly<Record<string, readonly string[]>> {
    return Object.fromEntries(
      [...this.#maps].map(([name, map]) => {
        const lines = [...readEntries(map)].map(({ key, value }) => {
          const content = name.endsWith("maglev") ? tableOf(value.readUInt32LE()) : value.toString("hex");
          return `${key.toString("hex")} ${content}`;
        });
        return [name, lines.sort()];
      }),
    );
  }

  [Symbol.dispose](): void {
    for (const map of this.#maps.values()) map.close();
  }
}

function tableOf(innerId: number): string {
  using inner = BpfMap.openById(innerId);
  return inner.lookup(Buffer.alloc(4))!.toString("hex");
}

function frontend(
  index: number,
  choice: { family: 4 | 6; slots: readonly number[]; active: number; traits: number },
): ServiceFrontend {
  const { family, slots, traits } = choice;
  const text = (prefix: number, host: number): IpAddress =>
    family === 4 ? IpAddress.ofV4((prefix << 24) | host) : IpAddress.ofV6(prefix << 24, 0, 0, host);
  const hasAffinity = (traits & 1) !== 0;
  const hasRanges = (traits & 2) !== 0;
  const activeCount = Math.min(choice.active, slots.length);
  return {
    service: `shop/${index}`,
    type: "ClusterIP",
    // Two frontends share an address.
    address: text(0xfc, index >> 1),
    port: 80 + (index & 1),
    protocol: 6,
    scope: 0,
    flags: (hasAffinity ? serviceFlag.sessionAffinity : 0) | (hasRanges ? serviceFlag.sourceRange : 0),
    affinityTimeoutSeconds: hasAffinity ? 60 : 0,
    algorithm: "default",
    hasMaglevTable: (traits & 4) !== 0,
    sourceRanges: hasRanges ? [IpPrefix.of(text(10, 0), 8), IpPrefix.of(text(11, traits), 24)] : [],
    ownsAddress: (traits & 8) === 0,
    backends: slots.map((slot, at) => ({
      address: text(10, slot),
      port: 8080,
      protocol: 6,
      state: at < activeCount ? "active" : "terminating",
    })),
    activeCount,
  };
}

const choice = fc.record({
  family: fc.constantFrom(4 as const, 6 as const),
  slots: fc.uniqueArray(fc.integer({ min: 1, max: 6 }), { maxLength: 4 }),
  active: fc.integer({ min: 1, max: 4 }),
  traits: fc.nat(15),
});
const step = fc.record({ service: fc.nat(5), wanted: fc.option(choice) });

describe("the load balancer's maps", () => {
  let maps: ServiceMaps;
  let other: ServiceMaps;
  beforeAll(() => {
    maps = new ServiceMaps();
    other = new ServiceMaps();
  });
  afterAll(() => {
    maps[Symbol.dispose]();
    other[Symbol.dispose]();
  });

  it("hold after any changes what a whole write would put there, and nothing after all Services went", () => {
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 12 }), (steps) => {
        const services = new Services(maps, maglev);
        const tables = new ServiceTables({ frontends: [], backends: [] }, limits);
        services.write(tables.all());
        for (const { service, wanted } of steps) {
          const frontends = wanted === null ? [] : [frontend(service, wanted)];
          services.update(tables.setService(`shop/${service}`, frontends, [], 0));
        }
        new Services(other, maglev).write(tables.all());
        expect(maps.content()).toEqual(other.content());
        for (let service = 0; service <= 5; service++) services.update(tables.setService(`shop/${service}`, [], [], 0));
        services.update(tables.releaseUnused(new Set(), 1));
        expect(Object.values(maps.content()).flat()).toEqual([]);
      }),
      { numRuns: 40 },
    );
  });

  it("keep numbers and entries when another agent writes the same Services", () => {
    const services = new Services(maps, maglev);
    const tables = new ServiceTables({ frontends: [], backends: [] }, limits);
    const wanted = [4, 6].map((family) =>
      frontend(family, { family: family as 4 | 6, slots: [1, 2, 3], active: 2, traits: 7 }),
    );
    for (const one of wanted) services.update(tables.setService(one.service, [one], [], 0));
    const before = maps.content();
    const again = new ServiceTables(new Services(maps, maglev).read(), limits);
    for (const one of [...wanted].reverse()) again.setService(one.service, [one], [], 0);
    new Services(maps, maglev).write(again.all());
    expect(maps.content()).toEqual(before);
  });
});

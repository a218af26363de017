import { describe, expect, it } from "vitest";
import { ServiceTables } from "../../src/agent/services/service-tables.js";
import { IpAddress } from "../../src/lib/ip.js";
import type { ServiceFrontend } from "../../src/model/service-frontend.js";
import { InMemoryDatapath } from "../support/in-memory-datapath.js";

const TCP = 6;

function frontend(address: string, port: number, backends: readonly string[]): ServiceFrontend {
  return {
    address: IpAddress.parse(address),
    port,
    protocol: TCP,
    scope: 0,
    service: "shop/any",
    type: "ClusterIP",
    flags: 0,
    affinityTimeoutSeconds: 0,
    algorithm: "default",
    hasMaglevTable: false,
    sourceRanges: [],
    ownsAddress: true,
    activeCount: backends.length,
    backends: backends.map((text) => ({
      address: IpAddress.parse(text),
      port: 8080,
      protocol: TCP,
      state: "active" as const,
    })),
  };
}

const empty = { frontends: [], backends: [] };
const wide = { services: 1_000_000, backends: 1_000_000 };

/** Tables and the kernel's side of them: every change is applied, so that the end can be compared with a whole write. */
class Lab {
  readonly kernel = new InMemoryDatapath();
  tables = new ServiceTables(empty, wide);

  set(service: string, wanted: readonly ServiceFrontend[], now = 0): void {
    this.kernel.services.update(this.tables.setService(service, wanted, [], now));
  }

  release(inUse: readonly number[], startedAt: number): void {
    this.kernel.services.update(this.tables.releaseUnused(new Set(inUse), startedAt));
  }

  /** What a whole write of the tables would leave. */
  whole(): unknown {
    const fresh = new InMemoryDatapath();
    fresh.services.write(this.tables.all());
    return fresh.snapshot();
  }

  slots(address: string): readonly string[] {
    const entry = [...this.kernel.frontends.values()].find((candidate) => candidate.address.text === address);
    return (entry?.backendIds ?? []).map((id) => this.kernel.backends.get(id)!.address.text);
  }
}

describe("service tables", () => {
  it("puts a Service's frontends and backends into the maps", () => {
    const lab = new Lab();
    lab.set("shop/cart", [frontend("10.96.0.1", 80, ["10.244.0.2", "10.244.1.2"])]);
    expect(lab.slots("10.96.0.1")).toEqual(["10.244.0.2", "10.244.1.2"]);
    expect(lab.kernel.snapshot()).toEqual(lab.whole());
  });

  it("writes nothing when a Service stays the same", () => {
    const lab = new Lab();
    const wanted = [frontend("10.96.0.1", 80, ["10.244.0.2"])];
    lab.set("shop/cart", wanted);
    const change = lab.tables.setService("shop/cart", wanted, [], 0);
    expect(Object.values(change).flat()).toEqual([]);
  });

  it("shares a backend between frontends and keeps it while one uses it", () => {
    const lab = new Lab();
    lab.set("shop/a", [frontend("10.96.0.1", 80, ["10.244.0.2"])]);
    lab.set("shop/b", [frontend("10.96.0.2", 80, ["10.244.0.2"])]);
    expect(lab.kernel.backends.size).toBe(1);
    lab.set("shop/a", []);
    expect([...lab.kernel.backends.values()][0]!.state).toBe("active");
    expect(lab.kernel.snapshot()).toEqual(lab.whole());
  });

  it("keeps a removed backend as terminating until no connection refers to it", () => {
    const lab = new Lab();
    lab.set("shop/cart", [frontend("10.96.0.1", 80, ["10.244.0.2", "10.244.0.3"])]);
    lab.set("shop/cart", [frontend("10.96.0.1", 80, ["10.244.0.3"])], 100);
    const removed = [...lab.kernel.backends.values()].find((backend) => backend.address.text === "10.244.0.2")!;
    expect(removed.state).toBe("terminating");
    expect(lab.slots("10.96.0.1")).toEqual(["10.244.0.3"]);
    lab.release([removed.backendId], 200);
    expect(lab.kernel.backends.has(removed.backendId)).toBe(true);
    lab.release([], 300);
    expect(lab.kernel.backends.has(removed.backendId)).toBe(false);
    expect(lab.kernel.snapshot()).toEqual(lab.whole());
  });

  it("does not trust a conntrack scan that began before the backend was removed", () => {
    const lab = new Lab();
    lab.set("shop/cart", [frontend("10.96.0.1", 80, ["10.244.0.2"])]);
    lab.set("shop/cart", [frontend("10.96.0.1", 80, [])], 100);
    lab.release([], 50);
    expect(lab.kernel.backends.size).toBe(1);
    lab.release([], 150);
    expect(lab.kernel.backends.size).toBe(0);
  });

  it("takes a returning backend back under its old number", () => {
    const lab = new Lab();
    lab.set("shop/cart", [frontend("10.96.0.1", 80, ["10.244.0.2"])]);
    const [before] = [...lab.kernel.backends.keys()];
    lab.set("shop/cart", [frontend("10.96.0.1", 80, [])], 100);
    lab.set("shop/cart", [frontend("10.96.0.1", 80, ["10.244.0.2"])], 150);
    lab.release([], 200);
    expect([...lab.kernel.backends.values()]).toEqual([
      expect.objectContaining({ backendId: before, state: "active" }),
    ]);
  });

  it("goes on with the kernel's numbers after a restart, whatever order Services come in", () => {
    const lab = new Lab();
    lab.set("shop/a", [frontend("10.96.0.1", 80, ["10.244.0.2", "10.244.0.3"])]);
    lab.set("shop/b", [frontend("10.96.0.2", 80, ["10.244.0.4"])]);
    const before = lab.kernel.snapshot();
    lab.tables = new ServiceTables(lab.kernel.services.read(), wide);
    lab.tables.setService("shop/b", [frontend("10.96.0.2", 80, ["10.244.0.4"])], [], 0);
    lab.tables.setService("shop/a", [frontend("10.96.0.1", 80, ["10.244.0.2", "10.244.0.3"])], [], 0);
    lab.kernel.services.write(lab.tables.all());
    expect(lab.kernel.snapshot()).toEqual(before);
  });

  it("keeps a backend that vanished while no agent ran, until a scan clears it", () => {
    const lab = new Lab();
    lab.set("shop/a", [frontend("10.96.0.1", 80, ["10.244.0.2", "10.244.0.3"])]);
    lab.tables = new ServiceTables(lab.kernel.services.read(), wide);
    lab.tables.setService("shop/a", [frontend("10.96.0.1", 80, ["10.244.0.3"])], [], 0);
    lab.kernel.services.write(lab.tables.all());
    expect(lab.kernel.backends.size).toBe(2);
    lab.release([], 1);
    expect(lab.kernel.backends.size).toBe(1);
  });

  it("leaves a frontend with the Service that had it first, says so, and hands it over when that one goes", () => {
    const lab = new Lab();
    lab.set("shop/a", [frontend("10.96.0.1", 80, ["10.244.0.2"])]);
    lab.set("shop/b", [frontend("10.96.0.1", 80, ["10.244.0.9"])]);
    expect(lab.slots("10.96.0.1")).toEqual(["10.244.0.2"]);
    expect(lab.tables.problems()).toEqual([expect.stringContaining("belongs to Service shop/a")]);
    lab.set("shop/a", []);
    expect(lab.tables.servicesWithProblems()).toEqual(["shop/b"]);
    lab.set("shop/b", [frontend("10.96.0.1", 80, ["10.244.0.9"])]);
    expect(lab.slots("10.96.0.1")).toEqual(["10.244.0.9"]);
    expect(lab.tables.problems()).toEqual([]);
  });

  it("says so when all 65,535 ids are in use", () => {
    const tables = new ServiceTables(empty, wide);
    const wanted = Array.from({ length: 65_536 }, (_, index) => {
      return frontend(`10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`, 80, []);
    });
    const change = tables.setService("shop/huge", wanted, [], 0);
    expect(change.upsertedFrontends).toHaveLength(65_535);
    expect(tables.problems()).toEqual([expect.stringContaining("all 65,535 are in use")]);
  });

  it("refuses by name what the maps have no room for, and takes it when there is", () => {
    const tables = new ServiceTables(empty, { services: 5, backends: 3 });
    // A master, two slots, the address's wildcard.
    tables.setService("shop/a", [frontend("10.96.0.1", 80, ["10.244.0.2", "10.244.0.3"])], [], 0);
    const second = [frontend("10.96.0.2", 80, ["10.244.0.2"])];
    expect(tables.setService("shop/b", second, [], 0).upsertedFrontends).toEqual([]);
    expect(tables.problems()).toEqual([
      "Service shop/b: 10.96.0.2:80 does not fit, the service map takes 5 entries (bpf-lb-service-map-max)",
    ]);
    tables.setService("shop/a", [], [], 0);
    expect(tables.setService("shop/b", second, [], 0).upsertedFrontends).toHaveLength(1);
    expect(tables.problems()).toEqual([]);
  });

  it("leaves out backends that their map has no room for, and says so", () => {
    const tables = new ServiceTables(empty, { services: 100, backends: 2 });
    const wanted = [frontend("10.96.0.1", 80, ["10.244.0.2", "10.244.0.3", "10.244.0.4"])];
    const [entry] = tables.setService("shop/a", wanted, [], 0).upsertedFrontends;
    expect(entry).toMatchObject({ activeCount: 2, backendIds: [1, 2] });
    expect(tables.problems()).toEqual([expect.stringContaining("lacks backends, their map takes 2")]);
  });

  it("gives the families numbers of their own only when there are no others", () => {
    const tables = new ServiceTables(empty, wide);
    const numbers = tables
      .setService(
        "shop/a",
        [frontend("10.96.0.1", 80, []), frontend("fd00::1", 80, []), frontend("10.96.0.2", 80, [])],
        [],
        0,
      )
      .upsertedFrontends.map(({ serviceId }) => serviceId);
    expect(new Set(numbers).size).toBe(3);
    const four = Array.from({ length: 65_535 - 2 }, (_, index) =>
      frontend(`10.${97 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`, 80, []),
    );
    expect(tables.setService("shop/huge", four, [], 0).upsertedFrontends).toHaveLength(65_533);
    expect(tables.setService("shop/b", [frontend("fd00::2", 80, [])], [], 0).upsertedFrontends).toHaveLength(1);
    expect(tables.problems()).toEqual([]);
  });

  it("does not give a freed service id to the next Service", () => {
    const lab = new Lab();
    lab.set("shop/a", [frontend("10.96.0.1", 80, [])]);
    const [first] = [...lab.kernel.frontends.values()];
    lab.set("shop/a", []);
    lab.set("shop/b", [frontend("10.96.0.2", 80, [])]);
    expect([...lab.kernel.frontends.values()][0]!.serviceId).not.toBe(first!.serviceId);
  });
});

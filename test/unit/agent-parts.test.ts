import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { takeAgentLock } from "../../src/agent/agent-lock.js";
import { ConntrackCollector } from "../../src/agent/conntrack/conntrack-collector.js";
import { nextGcIntervalMs } from "../../src/agent/conntrack/gc-interval.js";
import { DropLog } from "../../src/agent/events/drop-log.js";
import { formatMetrics } from "../../src/agent/metrics/metrics-text.js";
import { describeLocalNode, readNodeSpec } from "../../src/agent/nodes/local-node.js";
import { StatusBoard } from "../../src/agent/status/status-board.js";
import { KeyedLock } from "../../src/agent/system/keyed-lock.js";
import { IpAddress } from "../../src/lib/ip.js";
import { createLogger } from "../../src/lib/log.js";
import type { DropEvent } from "../../src/model/datapath-port.js";
import type { KubeNode } from "../../src/model/kubernetes.js";
import { silentLog } from "../support/agent-fixture.js";
import { InMemoryDatapath } from "../support/in-memory-datapath.js";

describe("conntrack interval", () => {
  it("shrinks when much was expired, grows when nearly nothing was, within upstream's bounds", () => {
    expect(nextGcIntervalMs(300_000, { scanned: 100, deleted: 50 }, 0)).toBe(150_000);
    expect(nextGcIntervalMs(300_000, { scanned: 100, deleted: 100 }, 0)).toBe(30_000);
    expect(nextGcIntervalMs(12_000, { scanned: 100, deleted: 90 }, 0)).toBe(10_000);
    expect(nextGcIntervalMs(300_000, { scanned: 100, deleted: 1 }, 0)).toBe(450_000);
    expect(nextGcIntervalMs(300_000, { scanned: 0, deleted: 0 }, 0)).toBe(450_000);
    expect(nextGcIntervalMs(43_000_000, { scanned: 0, deleted: 0 }, 0)).toBe(43_200_000);
    expect(nextGcIntervalMs(300_000, { scanned: 100, deleted: 10 }, 0)).toBe(300_000);
  });

  it("is the configured one when there is one", () => {
    expect(nextGcIntervalMs(300_000, { scanned: 100, deleted: 90 }, 7000)).toBe(7000);
  });
});

describe("conntrack collector", () => {
  it("tells what living entries refer to, and a failure in words", async () => {
    const datapath = new InMemoryDatapath();
    datapath.garbage = { scanned: 10, deleted: 4, backendIdsInUse: new Set([3]) };
    const status = new StatusBoard(["conntrack"]);
    const told: number[][] = [];
    using collector = new ConntrackCollector({
      datapath,
      configuredIntervalMs: 60_000,
      onCollected: (garbage) => told.push([...garbage.backendIdsInUse]),
      status,
      log: silentLog,
    });
    await collector.collect();
    expect(told).toEqual([[3]]);
    expect(collector.last).toMatchObject({ scanned: 10, deleted: 4 });
    datapath.failing.set("collectConntrackGarbage", new Error("map is gone"));
    await collector.collect();
    expect(status.problems()).toEqual(["conntrack: expired entries cannot be collected: map is gone"]);
    await collector.collect();
    expect(status.problems()).toEqual([]);
    expect(collector.totals).toEqual({ runs: 2, deleted: 8 });
  });
});

function drop(overrides: Partial<DropEvent> = {}): DropEvent {
  return {
    timeMs: 0,
    reason: 181,
    reasonText: "No service backend",
    file: "lb.h",
    line: 12,
    direction: "egress",
    endpointId: 7,
    sourceIdentity: 4711,
    destinationIdentity: 0,
    ifindex: 3,
    packet: {
      source: IpAddress.parse("10.244.0.2"),
      destination: IpAddress.parse("10.96.0.1"),
      protocol: 6,
      sourcePort: 40_000,
      destinationPort: 80,
    },
    ...overrides,
  };
}

describe("drop log", () => {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({ name: "t", destination: { write: (line) => lines.push(JSON.parse(line)) } });

  function open(datapath: InMemoryDatapath, now: () => number): DropLog {
    lines.length = 0;
    const names = new Map([["10.244.0.2", "shop/web"]]);
    const status = new StatusBoard(["events"]);
    return new DropLog({ datapath, nameOf: (address) => names.get(address.text), status, log, now });
  }

  it("logs a drop with reason, place and names", () => {
    const datapath = new InMemoryDatapath();
    const drops = open(datapath, () => 1000);
    datapath.events = { drops: [drop()], traces: 4, lost: 0 };
    drops.drain();
    expect(lines[0]).toMatchObject({
      msg: "packet dropped: No service backend",
      from: "shop/web",
      source: "10.244.0.2:40000",
      destination: "10.96.0.1:80",
      at: "lb.h:12",
    });
    expect(drops.recent()).toEqual([expect.objectContaining({ sourceName: "shop/web", reason: 181 })]);
  });

  it("logs ten a second, counts the others, and keeps the last hundred", () => {
    const datapath = new InMemoryDatapath();
    let nowMs = 5000;
    const drops = open(datapath, () => nowMs);
    datapath.events = { drops: Array.from({ length: 250 }, (_, line) => drop({ line })), traces: 5, lost: 3 };
    drops.drain();
    nowMs += 1000;
    drops.drain();
    expect(lines.filter((line) => String(line.msg).startsWith("packet dropped"))).toHaveLength(10);
    expect(lines.at(-1)).toMatchObject({ drops: 240, msg: "further drops not logged one by one" });
    expect(lines).toContainEqual(expect.objectContaining({ lost: 3 }));
    expect(drops.recent().map(({ line }) => line)).toEqual(Array.from({ length: 100 }, (_, index) => 150 + index));
    expect(drops.totals).toEqual({ seen: 250, traces: 5, lost: 3 });
  });
});

describe("status board", () => {
  it("is as bad as its worst part and tells problems with their part", () => {
    const board = new StatusBoard(["state", "services"], () => new Date(0));
    expect(board.overall()).toBe("starting");
    board.set("state", "ok");
    board.report("services", ["Service shop/web: no id"]);
    expect(board.overall()).toBe("degraded");
    expect(board.problems()).toEqual(["services: Service shop/web: no id"]);
    board.report("services", []);
    expect(board.overall()).toBe("ok");
  });

  it("remembers since when a part is in its state", () => {
    let second = 0;
    const board = new StatusBoard(["state"], () => new Date(second * 1000));
    second = 5;
    board.set("state", "ok");
    second = 9;
    board.set("state", "ok");
    expect(board.subsystems()[0]!.since).toBe(new Date(5000).toISOString());
  });
});

describe("metrics text", () => {
  it("escapes label values and prints 64-bit numbers in full", () => {
    const text = formatMetrics([
      {
        name: "x_total",
        help: "Two\nlines",
        type: "counter",
        samples: [{ labels: { reason: 'a "b"\\\n', line: 3 }, value: 18_446_744_073_709_551_615n }, { value: 1.5 }],
      },
    ]);
    expect(text).toBe(
      '# HELP x_total Two\\nlines\n# TYPE x_total counter\nx_total{reason="a \\"b\\"\\\\\\n",line="3"} 18446744073709551615\nx_total 1.5\n',
    );
  });
});

describe("lock of the run directory", () => {
  it("keeps a second agent out and is free again afterwards", async () => {
    const runDir = await mkdtemp(join(tmpdir(), "cts-t-lock-"));
    const first = await takeAgentLock(runDir);
    await expect(takeAgentLock(runDir)).rejects.toMatchObject({ code: "agent-running" });
    await first[Symbol.asyncDispose]();
    await (await takeAgentLock(runDir))[Symbol.asyncDispose]();
    await rm(runDir, { recursive: true });
  });
});

describe("keyed lock", () => {
  it("runs one at a time for a key, in order, whatever fails", async () => {
    const lock = new KeyedLock();
    const trace: string[] = [];
    const step =
      (name: string, fails = false) =>
      async (): Promise<void> => {
        trace.push(`${name} begins`);
        await new Promise((resolve) => setImmediate(resolve));
        trace.push(`${name} ends`);
        if (fails) throw new Error(name);
      };
    await Promise.allSettled([lock.run("k", step("a", true)), lock.run("k", step("b"))]);
    expect(trace).toEqual(["a begins", "a ends", "b begins", "b ends"]);
  });
});

describe("the local node", () => {
  const node: KubeNode = {
    apiVersion: "v1",
    kind: "Node",
    metadata: { name: "a", uid: "u" },
    spec: { podCIDR: "10.244.0.0/24" },
    status: { addresses: [{ type: "InternalIP", address: "172.18.0.2" }] },
  };
  const link = (ifname: string, local: string): object => ({
    ifindex: 2,
    ifname,
    mtu: 1400,
    addr_info: [{ family: "inet", local, prefixlen: 16 }],
  });
  const links = [link("lo", "127.0.0.1"), link("eth0", "172.18.0.2"), link("eth1", "10.9.0.1")] as Parameters<
    typeof describeLocalNode
  >[0]["links"];

  const config = { mtu: 0, routingMode: "tunnel" } as const;

  it("takes MTU and device from the interface that has the internal address", () => {
    const spec = readNodeSpec(node, "a", [4]);
    if ("missing" in spec) throw new Error(spec.missing);
    expect(describeLocalNode({ node, spec, links, config })).toMatchObject({
      underlayDevice: "eth0",
      mtu: 1400,
      routeMtu: 1350,
    });
    const addresses = describeLocalNode({ node, spec, links, config }).addresses.map(String);
    expect(addresses).toEqual(["172.18.0.2", "10.244.0.1", "10.9.0.1"]);
  });

  it("refuses to be a node whose address no interface has", () => {
    const spec = readNodeSpec(node, "a", [4]);
    if ("missing" in spec) throw new Error(spec.missing);
    expect(() => describeLocalNode({ node, spec, links: links.slice(0, 1), config })).toThrow(
      /no interface has 172.18.0.2, InternalIP of a/,
    );
  });

  it("says what is missing", () => {
    const { spec: _spec, ...bare } = node;
    expect(readNodeSpec(undefined, "x", [4])).toEqual({ missing: "there is no Node x" });
    expect(readNodeSpec(bare, "a", [4])).toEqual({ missing: "Node a has no podCIDR of IPv4 yet" });
    expect(readNodeSpec({ ...node, status: {} }, "a", [4])).toEqual({
      missing: "Node a has no InternalIP in its status",
    });
  });
});

import { describe, expect, test } from "vitest";
import { NameIndex } from "../../src/actions/names/name-index.js";
import type { Target } from "../../src/actions/open-target.js";
import { ConntrackTop } from "../../src/actions/top-conntrack.js";
import { IpAddress } from "../../src/lib/ip.js";
import type { CtGroupRow } from "../../src/model/conntrack-groups.js";
import type { NamedService, NamesDocument } from "../../src/model/names-document.js";
import type { NodeFacts, RowStream } from "../../src/model/readers.js";
import type { Session, SessionNode } from "../../src/session/session.js";
import { clockAt } from "../support/small-map-samples.js";

const { signal } = new AbortController();
const frontend = (text: string, port = 80) => ({ address: IpAddress.parse(text), port, protocol: 6 });
const counts = (entries: number) => ({ entries, packets: BigInt(10 * entries), bytes: BigInt(100 * entries) });
const service = (name: string, address: string): NamedService => ({
  namespace: "shop",
  name,
  frontends: [
    { address, port: 80, protocol: 6 },
    { address, port: 443, protocol: 6 },
  ],
  backends: [],
});
const named: NamesDocument = {
  pods: [{ namespace: "shop", name: "web-0", addresses: ["10.244.0.5"] }],
  nodes: [],
  identities: [{ id: 4711, labels: ["k8s:app=web"] }],
};

/** A node that counted these groups; another reading has others. */
class CountedNode implements SessionNode, Session {
  readonly name: string;
  readonly node: NodeFacts;
  readonly #readings: (readonly CtGroupRow[])[];

  constructor(name: string, ...readings: readonly (readonly Omit<CtGroupRow, "node">[])[]) {
    this.name = name;
    this.node = { name, kernelRelease: "6", bpffs: "/", clock: clockAt(0) };
    this.#readings = readings.map((rows) => rows.map((row) => ({ node: name, ...row })));
  }

  async open(): Promise<Session> {
    return this;
  }

  async *read(): RowStream<never> {
    yield this.#readings.shift() as never[];
    return { state: "complete", rowsRead: 0, restarts: 0, mapsRead: 1 };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

class NamedTarget implements Target {
  readonly description = "two nodes";
  readonly resolved = undefined as never;
  readonly state = undefined;
  readonly notes = [];
  readonly nodes: readonly SessionNode[];
  readonly #names = new NameIndex(named);

  constructor(...nodes: readonly SessionNode[]) {
    this.nodes = nodes;
  }

  async names(): Promise<NameIndex> {
    return this.#names;
  }

  async learnServices(): Promise<void> {
    this.#names.addServices([service("cart", "10.96.0.1"), service("pay", "10.96.0.2")]);
  }

  async refreshNames(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}

async function read(top: ConntrackTop) {
  const rows = [];
  for await (const batch of (await top.read({ signal })).rows) rows.push(...batch);
  return rows;
}

describe("groups of connections", () => {
  test("have names, and groups of one name on several nodes are one", async () => {
    const target = new NamedTarget(
      new CountedNode("a", [
        { key: { frontends: [frontend("10.96.0.1")] }, ...counts(3) },
        { key: { frontends: [frontend("10.96.0.1", 443)] }, ...counts(1) },
        { key: { frontends: [] }, ...counts(4) },
      ]),
      new CountedNode("b", [
        { key: { frontends: [frontend("10.96.0.1")] }, ...counts(5) },
        { key: { frontends: [frontend("10.96.0.1"), frontend("10.96.0.2")] }, ...counts(2) },
        { key: undefined, ...counts(1) },
      ]),
    );
    const cart = { kind: "service", namespace: "shop", name: "cart" };
    expect(await read(new ConntrackTop(target, {}, { by: ["service"] }))).toEqual([
      { group: { services: [cart] }, ...counts(9), share: 9 / 16, change: undefined },
      { group: { services: [] }, ...counts(4), share: 4 / 16, change: undefined },
      { group: { services: [cart, { ...cart, name: "pay" }] }, ...counts(2), share: 2 / 16, change: undefined },
      { group: undefined, ...counts(1), share: 1 / 16, change: undefined },
    ]);
  });

  test("are of a pod, of an address that has no name, of an identity with its labels, and of a node", async () => {
    const key = { pod: IpAddress.parse("10.244.0.5"), identity: 4711 };
    const other = { pod: IpAddress.parse("192.0.2.1"), identity: 2 };
    const rows = [
      { key, ...counts(2) },
      { key: other, ...counts(1) },
    ];
    const target = new NamedTarget(new CountedNode("a", rows));
    const found = await read(new ConntrackTop(target, {}, { by: ["pod", "identity", "node"] }));
    expect(found.map(({ group }) => group)).toEqual([
      {
        pod: { kind: "pod", namespace: "shop", name: "web-0" },
        node: "a",
        identity: 4711,
        labels: ["k8s:app=web"],
      },
      { pod: other.pod, node: "a", identity: 2, labels: ["reserved:world"] },
    ]);
  });

  test("say what changed since the reading before", async () => {
    const at = (protocol: number, entries: number) => ({ key: { protocol }, ...counts(entries) });
    const node = new CountedNode("a", [at(6, 5), at(17, 3)], [at(6, 9), at(1, 2), at(17, 1)]);
    const top = new ConntrackTop(new NamedTarget(node), {}, { by: ["proto"] });
    expect((await read(top)).map(({ change }) => change)).toEqual([undefined, undefined]);
    expect((await read(top)).map(({ group, change }) => [group?.protocol, change])).toEqual([
      [6, 4],
      [1, 2],
      [17, -2],
    ]);
  });

  test("have no counters where one node's are unknown", async () => {
    const unknown = { ...counts(1), packets: undefined, bytes: undefined };
    const nodes = [
      new CountedNode("a", [{ key: { protocol: 6 }, ...counts(1) }]),
      new CountedNode("b", [{ key: { protocol: 6 }, ...unknown }]),
    ];
    const [row] = await read(new ConntrackTop(new NamedTarget(...nodes), {}, { by: ["proto"] }));
    expect(row).toMatchObject({ entries: 2, packets: undefined, bytes: undefined });
  });
});

import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { createPolicyStatsCodecs } from "../../src/abi/policy.js";
import { ownReleases } from "../../src/abi/release.js";
import { readEntries } from "../../src/datapath/table.js";
import type { AgentConfig } from "../../src/model/agent-config.js";
import type { PolicyEntry, RecordBatch } from "../../src/model/datapath-port.js";
import type { PolicyVerdictRecord } from "../../src/model/monitor.js";
import type { MonitorEvent } from "../../src/model/monitor-event.js";
import { allowAll, DatapathHarness, LOOPBACK_IFINDEX, pod, tc } from "./harness.js";
import { ipv4Packet, proto, tcpFlag } from "./packet-builder.js";

const { client, server } = pod;
const stats = createPolicyStatsCodecs(ownReleases);

let datapath: DatapathHarness;
const send = (options: object = {}) =>
  datapath.run("fromContainer", ipv4Packet({ source: client.ip, destination: server.ip, ...options })).verdict;

function rule(direction: "ingress" | "egress", fields: Partial<PolicyEntry> = {}): PolicyEntry {
  const any = { identity: 0, protocol: 0, port: 0, portPrefixLength: 0, verdict: "allow" } as const;
  return { direction, ...any, cookie: 7, ...fields };
}
const http = { protocol: proto.tcp, port: 80, portPrefixLength: 16 };

/** Verdict events of what `run` does, in short. */
function verdictsOf(run: () => unknown): readonly PolicyVerdictRecord[] {
  datapath.events.drain();
  const events: MonitorEvent[] = [];
  const take = (batch: RecordBatch) => {
    for (let i = 0; i < batch.length; i++) events.push(batch.event(i));
  };
  using _watch = datapath.events.watch({ records: take, lost: () => {} });
  run();
  datapath.events.drain();
  return events.flatMap(({ record }) => (record?.kind === "policy-verdict" ? [record] : []));
}
const texts = (run: () => unknown) =>
  verdictsOf(run).map(
    ({ source, remoteIdentity, direction, matchTypeText, verdict, cookie, isAudited }) =>
      `${source} ${direction === 1 ? "ingress" : "egress"} ${remoteIdentity} ${matchTypeText} ${verdict} ${cookie}${isAudited ? " audited" : ""}`,
  );

/** Counters of policy entries: `endpoint direction identity protocol port/bits packets`. */
const counters = () =>
  [...readEntries(datapath.get("cilium_policystats"))]
    .map(({ key, value }) => {
      const { endpointId, isEgress, identity, protocol, port, prefixLength } = stats.key.decode(key);
      let packets = 0n;
      for (let at = 0; at < value.length; at += stats.value.sizeBytes)
        packets += stats.value.decode(value.subarray(at, at + stats.value.sizeBytes)).packets;
      const direction = isEgress ? "egress" : "ingress";
      return `${endpointId} ${direction} ${identity} ${protocol} ${port}/${prefixLength} ${packets}`;
    })
    .sort();

function suite(name: string, config: Partial<AgentConfig>, tests: () => void): void {
  describe(name, () => {
    beforeAll(() => {
      datapath = new DatapathHarness(config);
    });
    beforeEach(() => datapath.reset());
    afterEach(() => datapath.events.drain());
    afterAll(() => datapath[Symbol.dispose]());
    tests();
  });
}

suite("verdict events", {}, () => {
  it("are not told of an endpoint whose own options say so", () => {
    datapath.relabel(client, LOOPBACK_IFINDEX, client.identity, { verdicts: false });
    datapath.setPolicy(client.id, [rule("egress", { identity: server.identity, ...http })]);
    datapath.setPolicy(server.id, [rule("ingress", { protocol: proto.tcp, cookie: 4 })]);
    expect(texts(() => send())).toEqual([`${server.id} ingress ${client.identity} Proto-Only 0 4`]);
  });

  it("tell a new connection's allow on both sides: who asks, what matched, which rules", () => {
    datapath.setPolicy(client.id, [rule("egress", { identity: server.identity, ...http, cookie: 3 })]);
    datapath.setPolicy(server.id, [rule("ingress", { protocol: proto.tcp, cookie: 4 })]);
    expect(texts(() => send())).toEqual([
      `${client.id} egress ${server.identity} L3-L4 0 3`,
      `${server.id} ingress ${client.identity} Proto-Only 0 4`,
    ]);
    const [, ingress] = verdictsOf(() => send({ sourcePort: 4000 }));
    expect(ingress).toMatchObject({ protocol: proto.tcp, destinationPort: 80, isIpv6: false });
  });

  it("tell nothing of what a connection remembers", () => {
    datapath.setPolicy(client.id, [rule("egress")]);
    send();
    expect(texts(() => send({ tcpFlags: tcpFlag.ack }))).toEqual([]);
  });

  it("tell every packet that is denied, and by which rule", () => {
    datapath.setPolicy(client.id, [rule("egress"), rule("egress", { ...http, verdict: "deny", cookie: 9 })]);
    const denied = `${client.id} egress ${server.identity} L4-Only -181 9`;
    expect(
      texts(() => {
        send();
        send({ tcpFlags: tcpFlag.ack });
      }),
    ).toEqual([denied, denied]);
    datapath.setPolicy(client.id, []);
    expect(texts(() => send())).toEqual([`${client.id} egress ${server.identity} none -133 0`]);
  });

  it("tell nothing of endpoints that no policy selects", () => {
    expect(texts(() => send())).toEqual([]);
    datapath.setPolicy(client.id, [rule("egress", { cookie: 5 })]);
    expect(texts(() => send({ sourcePort: 4000 }))).toEqual([`${client.id} egress ${server.identity} all 0 5`]);
  });

  it("count each entry's decisions by its own key", () => {
    const range = { protocol: proto.tcp, port: 64, portPrefixLength: 10 };
    datapath.setPolicy(client.id, [rule("egress", { identity: server.identity, ...range })]);
    datapath.setPolicy(server.id, [rule("ingress")]);
    send();
    send({ sourcePort: 4000, destinationPort: 81 });
    send({ tcpFlags: tcpFlag.ack });
    expect(counters()).toEqual(
      [`${client.id} egress ${server.identity} 6 64/18 2`, `${server.id} ingress 0 0 0/0 2`].sort(),
    );
  });
});

suite("audit mode", { policyAuditMode: true }, () => {
  it("forwards what policies deny, and says so", () => {
    datapath.setPolicy(client.id, []);
    datapath.setPolicy(server.id, [rule("ingress", { ...http, verdict: "deny", cookie: 9 })]);
    expect(
      texts(() => {
        expect(send()).toBe(tc.redirect);
      }),
    ).toEqual([
      `${client.id} egress ${server.identity} none 0 0 audited`,
      `${server.id} ingress ${client.identity} L4-Only 0 9 audited`,
    ]);
    expect(datapath.drops()).toEqual([]);
  });

  it("does not forward for an endpoint without a policy map", () => {
    datapath.removePolicy(client.id);
    expect(send()).toBe(tc.shot);
  });
});

suite("without events and counters", { eventsPolicyVerdict: false, policyAccounting: false }, () => {
  it("nothing is told and nothing counted", () => {
    datapath.setPolicy(client.id, [rule("egress")]);
    datapath.setPolicy(server.id, allowAll);
    expect(texts(() => send())).toEqual([]);
    expect(counters()).toEqual([]);
  });
});

import { once } from "node:events";
import type { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Ownership } from "../../src/datapath/ownership.js";
import { PolicyMaps } from "../../src/datapath/policy-maps.js";
import type { PolicyEntry } from "../../src/model/datapath-port.js";
import { startWorker } from "../native/children/start-worker.js";
import { TestFolder } from "../support/test-folder.js";
import type { JudgedPacket, Judgement } from "./children/policy-judge.js";
import { DatapathHarness, pod, tc } from "./harness.js";
import { ipv4Packet, proto } from "./packet-builder.js";

const flips = process.env.CTS_TEST_LONG === "1" ? 10_000 : 400;
const { client, server } = pod;
const installId = "11111111-2222-4333-8444-555555555555";

const allow = (fields: Partial<PolicyEntry> = {}): PolicyEntry => ({
  ...{ direction: "egress", identity: 0, protocol: 0, port: 0, portPrefixLength: 0, verdict: "allow" },
  ...fields,
});
const deny = (fields: Partial<PolicyEntry> = {}): PolicyEntry => allow({ verdict: "deny", ...fields });
const peer = { identity: server.identity };
const tcp = { protocol: proto.tcp };
const http = { ...tcp, port: 80, portPrefixLength: 16 };
const range = { ...tcp, port: 64, portPrefixLength: 10 };

/** Each two agree on some packets for different reasons, and disagree on others. */
const conflicts: readonly [string, readonly PolicyEntry[], readonly PolicyEntry[]][] = [
  ["an allow moves from the peer to everybody", [allow(peer)], [allow()]],
  ["a deny moves from everybody to the peer", [allow(), deny(http)], [allow(), deny({ ...peer, ...http })]],
  ["an allow moves from the port to its range", [allow(http)], [allow(range)]],
  ["a deny moves from the port to its protocol", [allow(), deny(http)], [allow(), deny(tcp)]],
  ["allowed port and denied peer change sides", [allow(http), deny({ identity: 7 })], [allow(peer), deny(range)]],
  ["one entry comes and goes", [allow(tcp)], [allow(tcp), deny(http)]],
  ["everything or nothing", [allow()], []],
];

let datapath: DatapathHarness;
let folder: TestFolder;
let judge: Worker;
beforeAll(async () => {
  datapath = new DatapathHarness();
  folder = new TestFolder();
  const file = new URL("children/policy-judge.ts", import.meta.url).href;
  judge = startWorker(file, { programId: datapath.programs.fromContainer.id });
});
afterAll(async () => {
  await judge.terminate();
  datapath[Symbol.dispose]();
  folder[Symbol.dispose]();
});

const packets = [80, 81, 443].flatMap((destinationPort) =>
  (["tcp", "udp"] as const).map((protocol) => ({ protocol: proto[protocol], destinationPort })),
);

/** What the program answers where this policy judges. */
function verdictOf(policy: readonly PolicyEntry[], packet: (typeof packets)[number]): number {
  const longest = (identity: number) =>
    policy
      .filter((entry) => entry.identity === identity && fits(entry, packet))
      .sort((a, b) => bits(b) - bits(a))
      .at(0);
  const found = [longest(server.identity), longest(0)].filter((entry) => entry !== undefined);
  const isAllowed = found.length > 0 && found.every((entry) => entry.verdict === "allow");
  return isAllowed ? tc.redirect : tc.shot;
}

const bits = (entry: PolicyEntry) => (entry.protocol === 0 ? 0 : 8 + entry.portPrefixLength);
const fits = (entry: PolicyEntry, { protocol, destinationPort }: (typeof packets)[number]) =>
  (entry.protocol === 0 || entry.protocol === protocol) &&
  entry.port >>> (16 - entry.portPrefixLength) === destinationPort >>> (16 - entry.portPrefixLength);

async function judged(flip: () => Promise<void>, olds: readonly PolicyEntry[], news: readonly PolicyEntry[]) {
  const watched = packets.map(
    (packet): JudgedPacket => ({
      name: JSON.stringify(packet),
      data: ipv4Packet({ source: client.ip, destination: server.ip, ...packet }),
      allowed: [verdictOf(olds, packet), verdictOf(news, packet)],
    }),
  );
  const judging = once(judge, "message");
  judge.postMessage(watched);
  await judging;
  await flip();
  const answer = once(judge, "message");
  judge.postMessage("stop");
  return ((await answer) as [Judgement])[0];
}

describe("packets beside a change of policy", () => {
  it.each(conflicts)("get the old verdict or the new one, never a third: %s", async (_name, olds, news) => {
    const get = (name: string) => datapath.get(name);
    const ownership = new Ownership(get("cts_owner"), installId);
    const policies = new PolicyMaps({ folder: folder.maps, maps: { get, ownership }, maxEntries: 256 });
    await policies.write(client.id, olds);
    const result = await judged(
      async () => {
        for (let flip = 0; flip < flips / conflicts.length; flip++) {
          await policies.write(client.id, flip % 2 === 0 ? news : olds);
        }
      },
      olds,
      news,
    );
    expect(result.wrong).toEqual([]);
    expect(result.judged).toBeGreaterThan(packets.length);
  });
});

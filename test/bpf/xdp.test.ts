import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { interfaceIndex } from "../../src/kernel/net.js";
import { makeInput, Random } from "../fuzz/mutate.js";
import { tc, xdp } from "./harness.js";
import { internetChecksum, parseFrame, proto } from "./packet-builder.js";
import {
  behindMacs,
  Dialogue,
  deviceMac,
  expire,
  FRONTEND_PORT,
  families,
  far,
  flags,
  forwarded,
  near,
  nextHopMac,
  protocols,
  right,
  stateOf,
  withBytes,
  XdpNode,
} from "./xdp-node.js";

let node: XdpNode;
beforeAll(() => {
  node = new XdpNode();
});
beforeEach(() => node.reset());
afterAll(() => node?.[Symbol.dispose]());

describe.each(families)("an established connection over IPv%s", (family) => {
  it.each(protocols)("is translated as tc does it, in both directions: %s", (_name, options) => {
    const dialogue = new Dialogue(node.snat, family, options);
    dialogue.expose();
    const { there, back } = dialogue.begin();
    for (const frame of [there, back]) {
      const sent = dialogue.viaXdp(frame);
      expect(sent.verdict).toBe(xdp.tx);
      expect(sent.data.subarray(0, 12).toString("hex")).toBe(nextHopMac[near] + deviceMac(near));
      expect(behindMacs(sent.data)).toBe(behindMacs(dialogue.viaTc(frame).data));
      expect(dialogue.parse(sent.data)).toMatchObject(right);
    }
    const { node: frontend, client, backend } = dialogue.ends;
    expect(dialogue.parse(dialogue.viaXdp(there).data)).toMatchObject({
      source: frontend,
      destination: backend,
      destinationPort: 8080,
    });
    expect(dialogue.parse(dialogue.viaXdp(back).data)).toMatchObject({
      source: frontend,
      sourcePort: FRONTEND_PORT,
      destination: client,
      destinationPort: 50_000,
    });
    expect(forwarded(node.snat)).toBe(4);
    expect(node.snat.drops()).toEqual([]);
  });

  it("of direct server return keeps its client", () => {
    const dialogue = new Dialogue(node.direct, family);
    dialogue.expose(dialogue.ends.backend, flags.dsr);
    const { there } = dialogue.begin();
    const sent = dialogue.viaXdp(there);
    expect(sent.verdict).toBe(xdp.tx);
    expect(behindMacs(sent.data)).toBe(behindMacs(dialogue.viaTc(there).data));
    const { client, backend } = dialogue.ends;
    expect(dialogue.parse(sent.data)).toMatchObject({ source: client, destination: backend, ...right });
    expect(forwarded(node.direct)).toBe(1);
  });

  it("leaves by the device that the routes name", () => {
    const dialogue = new Dialogue(node.snat, family);
    dialogue.expose(dialogue.ends.beyond);
    const { there } = dialogue.begin();
    const sent = dialogue.viaXdp(there);
    expect(sent.verdict).toBe(xdp.redirect);
    expect(sent.data.subarray(0, 12).toString("hex")).toBe(nextHopMac[far] + deviceMac(far));
    expect(behindMacs(sent.data)).toBe(behindMacs(dialogue.viaTc(there).data));
  });

  it.each(protocols)("stays alive, and is counted, as by tc: %s", (_name, options) => {
    const dialogue = new Dialogue(node.snat, family, options);
    dialogue.expose();
    const { there, back } = dialogue.begin();
    const before = stateOf(node.snat);
    for (const frame of [there, back]) dialogue.viaTc(frame);
    const byTc = stateOf(node.snat);
    for (const frame of [there, back]) dialogue.viaXdp(frame);
    const byXdp = stateOf(node.snat);
    expect(byXdp.length).toBe(byTc.length);
    byXdp.forEach((row, index) => {
      const grown = (now: bigint, then: bigint): bigint => now - then;
      expect(grown(row.packets, byTc[index]!.packets)).toBe(grown(byTc[index]!.packets, before[index]!.packets));
      expect(grown(row.bytes, byTc[index]!.bytes)).toBe(grown(byTc[index]!.bytes, before[index]!.bytes));
      expect({ ...row, packets: 0n, bytes: 0n }).toEqual({ ...byTc[index], packets: 0n, bytes: 0n });
    });
    expire(node.snat);
    for (const frame of [there, back]) expect(dialogue.viaXdp(frame).verdict).toBe(xdp.tx);
    expect(node.snat.connections().every(({ expiresAtSeconds }) => expiresAtSeconds > 0)).toBe(true);
  });
});

describe("checksums", () => {
  it.each(families)("that are wrong stay wrong, and UDP's that are none stay none: IPv%s", (family) => {
    const dialogue = new Dialogue(node.snat, family, { protocol: proto.udp });
    dialogue.expose();
    const { there } = dialogue.begin();
    const offset = (family === 4 ? 34 : 54) + 6;
    const wrong = withBytes(there, (copy) => copy.writeUInt16BE(copy.readUInt16BE(offset) ^ 0x0101, offset));
    expect(dialogue.parse(dialogue.viaXdp(wrong).data).l4ChecksumIsRight).toBe(false);
    const none = dialogue.viaXdp(dialogue.packet({ udpChecksum: "zero" }));
    expect(none.verdict).toBe(xdp.tx);
    expect(none.data.readUInt16BE(offset)).toBe(0);
  });

  it("of UDP that become zero are written the other way", () => {
    const dialogue = new Dialogue(node.snat, 4, { protocol: proto.udp });
    dialogue.expose();
    dialogue.begin();
    // Two bytes that make the sum of what leaves here 0xffff, so its checksum 0.
    const sums = Array.from({ length: 2 }, (_, tail) => {
      const first = dialogue.viaXdp(dialogue.packet({ payload: Buffer.from([0, 0, 0, tail]) })).data;
      return first.readUInt16BE(40);
    });
    const payload = Buffer.from([sums[0]! >> 8, sums[0]! & 0xff, 0, 0]);
    const sent = dialogue.viaXdp(dialogue.packet({ payload }));
    expect(sent.data.readUInt16BE(40)).toBe(0xffff);
    expect(parseFrame(sent.data)).toMatchObject(right);
    expect(internetChecksum(Buffer.of(0xff, 0xff))).toBe(0);
  });
});

const rounds = process.env.CTS_TEST_LONG === "1" ? 200 : 10;
const packetsOfRound = 1000;
/** Test runs of the emulated skb want the whole IP header that a frame's EtherType promises. */
const shortest: Readonly<Record<number, number>> = { 2048: 34, 34525: 54 };
const isRunnable = (frame: Buffer): boolean =>
  frame.length > 14 && frame.length < 1500 && frame.length >= (shortest[frame.readUInt16BE(12)] ?? 0);

describe("broken packets of established connections", () => {
  it(`are passed untouched or leave as tc would send them: ${rounds} rounds of ${packetsOfRound}`, () => {
    const problems: string[] = [];
    let sent = 0;
    for (let seed = 1; seed <= rounds && problems.length === 0; seed++) {
      const random = new Random(seed);
      const one = random.pick([node.snat, node.direct]);
      node.reset();
      const seeds = families.flatMap((family) => {
        const [, options] = random.pick(protocols);
        const dialogue = new Dialogue(one, family, options);
        dialogue.expose(dialogue.ends.backend, one === node.direct ? flags.dsr : flags.snat);
        const { there, back } = dialogue.begin();
        return [there, back];
      });
      for (let count = 0; count < packetsOfRound; count++) {
        const frame = makeInput(seeds, random);
        if (!isRunnable(frame)) continue;
        const byXdp = one.runXdp(frame, interfaceIndex(near)!);
        if (byXdp.verdict === xdp.pass && byXdp.data.equals(frame)) continue;
        const byTc = one.run("fromNetdev", frame, { ifindex: interfaceIndex(near)! });
        const isSame = byTc.verdict === tc.redirect && behindMacs(byTc.data) === behindMacs(byXdp.data);
        if (byXdp.verdict === xdp.tx && isSame) sent++;
        else problems.push(`seed ${seed}: ${byXdp.verdict}, tc ${byTc.verdict}: ${frame.toString("hex")}`);
      }
    }
    expect(problems).toEqual([]);
    expect(sent).toBeGreaterThan(rounds);
  });
});

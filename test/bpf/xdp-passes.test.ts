import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { readEntries } from "../../src/datapath/table.js";
import { DatapathHarness, ip6, nodeIp, pod, remotePod, xdp } from "./harness.js";
import { fragmentHeader, ipv4Packet, ipv6Packet, proto, tcpFlag } from "./packet-builder.js";
import {
  Dialogue,
  type Ends,
  ends,
  FRONTEND_PORT,
  families,
  far,
  flags,
  forwarded,
  inUrl,
  near,
  type Options,
  SMALL_MTU,
  setDevice,
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

/** What XDP leaves to tc, as it came: a name, and what is done to a connection that it would forward. */
interface Exception {
  readonly options?: Options;
  readonly backend?: keyof Ends | "tunnelled" | "pod";
  readonly serviceFlags?: number;
  /** After the connection has begun. */
  readonly change?: (one: DatapathHarness, family: 4 | 6) => void;
  /** Instead of the packet that would be forwarded. */
  readonly packet?: (dialogue: Dialogue, frame: Buffer) => Buffer;
  readonly isNew?: boolean;
  readonly isDirect?: boolean;
}

const clear = (...names: readonly string[]) => ({
  change: (one: DatapathHarness, family: 4 | 6) => {
    for (const name of names) {
      const map = one.get(name.replace("#", String(family)));
      for (const { key } of [...readEntries(map)]) map.delete(Buffer.from(key));
    }
  },
});
const flagged = (tcpFlags: number): Exception => ({ packet: (dialogue) => dialogue.packet({ tcpFlags }) });

const exceptions: Readonly<Record<string, Exception>> = {
  "a new connection": { isNew: true },
  "a SYN": flagged(tcpFlag.syn),
  "a SYN's answer": flagged(tcpFlag.syn | tcpFlag.ack),
  "a FIN": flagged(tcpFlag.fin | tcpFlag.ack),
  "a RST": flagged(tcpFlag.rst),
  "the last hop": { packet: (dialogue) => dialogue.packet({ ttl: 1 }) },
  "no hop at all": { packet: (dialogue) => dialogue.packet({ ttl: 0 }) },
  "an echo": { packet: ({ family }, _frame) => echoOf(family) },
  "another protocol": {
    packet: (dialogue) => dialogue.packet({ protocol: proto.sctp }),
  },
  "a first fragment": {
    packet: (dialogue) =>
      dialogue.family === 4
        ? dialogue.packet({ fragment: 0x2000 })
        : dialogue.packet({ extensions: [{ number: 44, bytes: fragmentHeader(7, 0, true) }] } as Options),
  },
  "a later fragment": {
    packet: (dialogue) =>
      dialogue.family === 4
        ? dialogue.packet({ fragment: 0x2001 })
        : dialogue.packet({ extensions: [{ number: 44, bytes: fragmentHeader(7, 64, false) }] } as Options),
  },
  "options of IP": {
    packet: (dialogue, frame) =>
      dialogue.family === 4
        ? Buffer.concat([
            withBytes(frame.subarray(0, 34), (copy) => copy.fill(0x46, 14, 15)),
            Buffer.alloc(4, 1),
            frame.subarray(34),
          ])
        : dialogue.packet({ extensions: [{ number: 0, bytes: Buffer.from("0000010400000000", "hex") }] } as Options),
  },
  "an unknown version of IP": { packet: (_dialogue, frame) => withBytes(frame, (copy) => copy.fill(0x55, 14, 15)) },
  "a packet that claims more bytes than there are": {
    packet: ({ family }, frame) => withBytes(frame, (copy) => copy.writeUInt16BE(200, family === 4 ? 16 : 18)),
  },
  "a packet that claims fewer bytes than its headers": {
    packet: ({ family }, frame) =>
      withBytes(frame, (copy) => copy.writeUInt16BE(family === 4 ? 30 : 12, family === 4 ? 16 : 18)),
  },
  "half a TCP header": { packet: ({ family }, frame) => frame.subarray(0, (family === 4 ? 34 : 54) + 12) },
  "a frame that is no IP": { packet: (_dialogue, frame) => withBytes(frame, (copy) => copy.writeUInt16BE(0x0806, 12)) },
  "a connection that conntrack has forgotten": clear("cilium_ct#_global"),
  "a connection that NAT has forgotten": clear("cilium_snat_v#_external"),
  "a frontend that is gone": clear("cilium_lb#_services_v2"),
  "a backend that is gone": clear("cilium_lb#_backends_v3"),
  "a client that the source ranges do not list any more": {
    change: (one, family) =>
      one.addService([inUrl(ends[family].backend, 8080)], {
        vip: ends[family].node,
        port: FRONTEND_PORT,
        flags: flags.snat | flags.sourceRange,
        sourceRanges: [family === 4 ? "192.0.2.0/24" : "2001:db8::/64"],
      }),
  },
  "a frontend that is closed to the outside now": {
    change: (one, family) =>
      one.addService([inUrl(ends[family].backend, 8080)], {
        vip: ends[family].node,
        port: FRONTEND_PORT,
        flags: flags.inside,
      }),
  },
  "a backend on this node": { backend: "pod" },
  "a backend in this node's network": { backend: "node" },
  "a backend without a route": { backend: "lost" },
  "a backend whose neighbour is not known": { backend: "silent" },
  "a packet that is too large for the route": {
    backend: "narrow",
    packet: (dialogue) => dialogue.packet({ payload: Buffer.alloc(SMALL_MTU) }),
  },
  "a device without XDP": { backend: "beyond", change: (one) => setDevice(one, far, false) },
  "direct server return of UDP, which tells the frontend always": {
    isDirect: true,
    serviceFlags: flags.dsr,
    options: { protocol: proto.udp },
  },
};

const echoOf = (family: 4 | 6): Buffer =>
  family === 4
    ? ipv4Packet({ source: ends[4].client, destination: nodeIp, protocol: proto.icmp })
    : ipv6Packet({ source: ends[6].client, destination: ip6.node, protocol: proto.icmpv6 });

function backendOf(family: 4 | 6, backend: Exception["backend"] = "backend"): string {
  if (backend === "pod") return family === 4 ? pod.server.ip : ip6.server;
  if (backend === "tunnelled") return family === 4 ? remotePod.ip : ip6.remotePod;
  return ends[family][backend];
}

describe.each(families)("passes to tc as it came, over IPv%s:", (family) => {
  it.each(Object.entries(exceptions))("%s", (_name, exception) => {
    const { options, backend, serviceFlags, change, packet, isNew, isDirect } = exception;
    const dialogue = new Dialogue(isDirect === true ? node.direct : node.snat, family, options);
    dialogue.expose(backendOf(family, backend), serviceFlags);
    const whole = isNew === true ? dialogue.packet({}) : dialogue.begin().there;
    if (change !== undefined || packet !== undefined) expect(dialogue.viaXdp(whole).verdict).not.toBe(xdp.pass);
    const sent = forwarded(dialogue.one);
    change?.(dialogue.one, family);
    const frame = packet?.(dialogue, whole) ?? whole;
    const before = stateOf(dialogue.one);
    const passed = dialogue.viaXdp(frame);
    expect(passed).toEqual({ verdict: xdp.pass, data: frame });
    expect(forwarded(dialogue.one)).toBe(sent);
    expect(stateOf(dialogue.one)).toEqual(before);
  });

  it("answers whose frontend or connection is gone", () => {
    const dialogue = new Dialogue(node.snat, family);
    dialogue.expose();
    const { back, answer } = dialogue.begin();
    expect(dialogue.viaXdp(back).verdict).toBe(xdp.tx);
    expect(dialogue.viaXdp(dialogue.packet({ ...answer, tcpFlags: tcpFlag.fin | tcpFlag.ack })).verdict).toBe(xdp.pass);
    clear(`cilium_lb${family}_reverse_nat`).change(node.snat, family);
    expect(dialogue.viaXdp(back)).toEqual({ verdict: xdp.pass, data: back });
    clear(`cilium_ct${family}_global`).change(node.snat, family);
    expect(dialogue.viaXdp(back)).toEqual({ verdict: xdp.pass, data: back });
  });
});

describe("passes to tc as it came:", () => {
  it("backends behind the tunnel, and the tunnel's own packets", () => {
    using tunnel = new DatapathHarness({});
    prepareTunnel(tunnel);
    const dialogue = new Dialogue(tunnel, 4);
    dialogue.expose(remotePod.ip);
    const { there } = dialogue.begin();
    expect(dialogue.viaXdp(there)).toEqual({ verdict: xdp.pass, data: there });
    const outer = dialogue.packet({ protocol: proto.udp, destinationPort: 8472 });
    expect(dialogue.viaXdp(outer)).toEqual({ verdict: xdp.pass, data: outer });
  });

  it("direct server return of a backend that came in the middle", () => {
    const dialogue = new Dialogue(node.direct, 4);
    dialogue.expose(ends[4].backend, flags.dsr);
    const frame = dialogue.packet({});
    dialogue.viaTc(frame);
    expect(dialogue.viaXdp(frame)).toEqual({ verdict: xdp.pass, data: frame });
  });

  it("a family that the node does not serve", () => {
    using alone = new DatapathHarness({});
    const dialogue = new Dialogue(alone, 6);
    dialogue.expose();
    const frame = dialogue.packet({});
    expect(dialogue.viaXdp(frame)).toEqual({ verdict: xdp.pass, data: frame });
  });
});

function prepareTunnel(one: DatapathHarness): void {
  one.addHost(nodeIp);
  setDevice(one, near, true);
}

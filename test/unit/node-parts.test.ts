import { describe, expect, test } from "vitest";
import { IpAddress } from "../../src/lib/ip.js";
import { parseFibTrie, parseIfInet6 } from "../../src/node/pod-namespaces.js";
import { parseProcSockets } from "../../src/node/proc-sockets.js";
import { RowMatcher } from "../../src/node/readers/row-matcher.js";
import { parseSocketList } from "../../src/node/socket-list.js";

const pod = IpAddress.parse("10.244.0.2");

describe("parseSocketList", () => {
  const output = `tcp   LISTEN    0 128          0.0.0.0:8080      0.0.0.0:*     users:(("echo",pid=12,fd=3)) ino:77 sk:1f cgroup:/x <->
tcp   ESTAB     0 0      10.244.0.2:33158  10.244.1.3:8080  users:(("my \\"app",pid=13,fd=4),("other",pid=14,fd=4)) ino:78 sk:44f cgroup:/x <->
tcp   TIME-WAIT 0 0      10.244.0.2:33160  10.244.1.3:8080  timer:(timewait,59sec,0) ino:0 sk:450
udp   UNCONN    0 0               *:53              *:*     ino:79 sk:451 cgroup:/ v6only:0 <->
tcp   ESTAB     0 0  [::ffff:10.244.0.2]:8080 [::ffff:10.244.0.9]:4000 ino:80 sk:452
icmp6 UNCONN    0 0               *:58              *:*     ino:81 sk:453
garbage`;

  test("reads states, ends, cookies in hexadecimal and the first process", () => {
    const sockets = parseSocketList(output, [pod]);
    expect(
      sockets.map(({ protocol, state, localPort, peerPort, cookie, pid, command }) => ({
        protocol,
        state,
        localPort,
        peerPort,
        cookie,
        pid,
        command,
      })),
    ).toEqual([
      { protocol: 6, state: "listen", localPort: 8080, peerPort: 0, cookie: 0x1fn, pid: 12, command: "echo" },
      {
        protocol: 6,
        state: "established",
        localPort: 33158,
        peerPort: 8080,
        cookie: 0x44fn,
        pid: 13,
        command: 'my \\"app',
      },
      {
        protocol: 6,
        state: "time-wait",
        localPort: 33160,
        peerPort: 8080,
        cookie: 0x450n,
        pid: undefined,
        command: undefined,
      },
      {
        protocol: 17,
        state: "unconnected",
        localPort: 53,
        peerPort: 0,
        cookie: 0x451n,
        pid: undefined,
        command: undefined,
      },
      {
        protocol: 6,
        state: "established",
        localPort: 8080,
        peerPort: 4000,
        cookie: 0x452n,
        pid: undefined,
        command: undefined,
      },
    ]);
  });

  test("an IPv4 peer of a dual-stack socket is an IPv4 address", () => {
    expect(parseSocketList(output, [pod])[4]?.peer.text).toBe("10.244.0.9");
  });
});

test("parseProcSockets reads /proc/net/tcp, whose words are in host order", () => {
  const text = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1234 1 0000 100 0 0 10 0
   1: 0200F40A:8186 0301F40A:1F90 01 00000000:00000000 02:000A 00000000     0        0 5678 2 0000 20 4 30 10 -1
`;
  const [listener, client] = parseProcSockets(text, 6);
  expect(listener).toMatchObject({ state: "listen", localPort: 8080, peerPort: 0, inode: 1234 });
  expect(client).toMatchObject({ state: "established", localPort: 33158, peerPort: 8080, inode: 5678 });
  expect([client?.local.text, client?.peer.text]).toEqual(["10.244.0.2", "10.244.1.3"]);
});

test("parseIfInet6 finds addresses of global scope, without loopback and link-local ones", () => {
  const text = [
    "00000000000000000000000000000001 01 80 10 80       lo",
    "fd000010024400000000000000000002 02 80 00 a0     eth0",
    "fe80000000000000acfffffffe120002 02 40 20 80     eth0",
    "",
  ].join("\n");
  expect(parseIfInet6(text)).toEqual(["fd00:10:244::2"]);
});

test("parseFibTrie finds the local addresses and leaves loopback and networks out", () => {
  const text = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 10.244.0.1
        /32 link UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
Local:
     |-- 10.244.0.2
        /32 host LOCAL
     |-- 10.244.0.2
        /32 host LOCAL
`;
  expect(parseFibTrie(text)).toEqual(["10.244.0.2"]);
});

describe("RowMatcher", () => {
  const a = { address: IpAddress.parse("10.0.0.1"), port: 80 };
  const b = { address: IpAddress.parse("10.0.0.2"), port: 4000 };
  const traits = { ends: [a, b], protocol: 6, identity: 7, state: "new", direction: "out" };

  test("an empty filter admits everything", () => {
    expect(new RowMatcher({}).isEmpty).toBe(true);
    expect(new RowMatcher({ ports: undefined }).matches(traits)).toBe(true);
  });

  test("every field must hold, any of its values may", () => {
    expect(new RowMatcher({ ports: [80, 81], protocols: [6, 17] }).matches(traits)).toBe(true);
    expect(new RowMatcher({ ports: [80], protocols: [17] }).matches(traits)).toBe(false);
    expect(new RowMatcher({ addresses: ["10.0.0.2"], states: ["new"], identities: [7] }).matches(traits)).toBe(true);
  });

  test("a transport address is address and port of one end", () => {
    expect(new RowMatcher({ transportAddresses: ["10.0.0.1:80"] }).matches(traits)).toBe(true);
    expect(new RowMatcher({ transportAddresses: ["10.0.0.1:4000"] }).matches(traits)).toBe(false);
  });

  test("an empty set of addresses admits no row that has addresses", () => {
    expect(new RowMatcher({ addresses: [] }).matches(traits)).toBe(false);
  });
});

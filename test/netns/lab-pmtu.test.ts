import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fabricNetns, nodeNetns } from "../../src/lab/lab-name.js";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { dualStackSettings, nativeRouting, nodeAddresses, podManifest, TestLab } from "./support/lab-fixture.js";

/** Settings of the labs. */
const modes = {
  tunnel: {},
  native: nativeRouting,
  "native with direct server return": { ...nativeRouting, "bpf-lb-mode": "dsr" },
  "native with direct server return, packet in packet": {
    ...nativeRouting,
    "bpf-lb-mode": "dsr",
    "bpf-lb-dsr-dispatch": "ipip",
  },
  // Services are translated per packet.
  "tunnel without the socket LB": { "bpf-lb-sock": "false" },
  "native without the socket LB": { ...nativeRouting, "bpf-lb-sock": "false" },
} as const;

const manifests = (settings: Readonly<Record<string, string>>): string => `${dualStackSettings(settings)}---
apiVersion: v1
kind: Service
metadata: { name: large }
spec:
  type: NodePort
  ipFamilyPolicy: PreferDualStack
  selector: { app: large }
  ports: [{ name: tcp, port: 8081, nodePort: 30081 }, { name: udp, port: 8081, protocol: UDP, nodePort: 30082 }]
---
apiVersion: v1
kind: Service
metadata: { name: deaf }
spec: { ipFamilyPolicy: PreferDualStack, selector: { app: large }, ports: [{ port: 80, targetPort: 8099, protocol: UDP }] }
---
apiVersion: v1
kind: Service
metadata: { name: far }
spec: { ipFamilyPolicy: PreferDualStack, ports: [{ name: tcp, port: 80, targetPort: 8081 }, { name: udp, port: 80, targetPort: 8081, protocol: UDP }] }
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: far-4, labels: { kubernetes.io/service-name: far } }
addressType: IPv4
endpoints: [{ addresses: [192.0.2.10], conditions: { ready: true } }]
ports: [{ name: tcp, port: 8081 }, { name: udp, port: 8081, protocol: UDP }]
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: { name: far-6, labels: { kubernetes.io/service-name: far } }
addressType: IPv6
endpoints: [{ addresses: ["fd00:192::10"], conditions: { ready: true } }]
ports: [{ name: tcp, port: 8081 }, { name: udp, port: 8081, protocol: UDP }]
${podManifest("large", { node: "node-1", labels: "app: large" })}${podManifest("client", { node: "node-2" })}`;

const far = { 4: "192.0.2.10", 6: "fd00:192::10" } as const;
/** Behind the nodes' network, over a hop that takes no more. */
const SMALL = 1300;
/** As far, but the nodes' own routes there take less, and nobody behind them. */
const near = { 4: "192.0.2.11", 6: "fd00:192::11" } as const;

/** TCP: takes what is sent and answers with its length, and 300,000 bytes. UDP: answers with as many bytes as it was told, none to be cut. */
const SERVER = `
import socket, threading
def tcp(one):
    data = one.recv(65536)
    want = int(data.split(b"\\n")[0])
    count = len(data)
    while count < want:
        count += len(one.recv(65536))
    one.sendall(b"%d " % count + b"x" * 300000)
    one.close()
def serve(s):
    while True:
        one = s.accept()[0]
        threading.Thread(target=tcp, args=(one,), daemon=True).start()
def answer(s):
    while True:
        try:
            data, peer = s.recvfrom(65536)
        except OSError:
            continue
        for bytes in (int(data.split()[0]), 16):
            try:
                s.sendto(b"y" * bytes, peer)
                break
            except OSError:
                pass
for family, level, option, any in ((socket.AF_INET, 0, 10, "0.0.0.0"), (socket.AF_INET6, 41, 23, "::")):
    t = socket.socket(family, socket.SOCK_STREAM)
    u = socket.socket(family, socket.SOCK_DGRAM)
    for s in (t, u):
        if family == socket.AF_INET6:
            s.setsockopt(41, 26, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((any, 8081))
    u.setsockopt(level, option, 2)
    t.listen(16)
    threading.Thread(target=serve, args=(t,), daemon=True).start()
    threading.Thread(target=answer, args=(u,), daemon=True).start()
print("ready", flush=True)
threading.Event().wait()
`;

/** Sends much over TCP and takes much: what the server has counted, and the bytes that came. Arguments: address, port, own address. */
const TCP = `
import socket, sys
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 20, (sys.argv[3], 0) if sys.argv[3:] else None)
s.sendall(b"200000\\n" + b"z" * (200000 - 7))
data = b""
while True:
    more = s.recv(65536)
    if not more:
        break
    data += more
print(data.split()[0].decode(), len(data.split()[1]))
`;

/** Sends 1,400 bytes over UDP that nobody may cut until the path is known: its MTU, and what is answered to a smaller packet. */
const UDP = `
import socket, sys, time
address, port = sys.argv[1], int(sys.argv[2])
is6 = ":" in address
level, discover, mtu = (41, 23, 24) if is6 else (0, 10, 14)
s = socket.socket(socket.AF_INET6 if is6 else socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(level, discover, 2)
s.connect((address, port))
s.settimeout(0.2)
found = 0
for count in range(40):
    try:
        s.send(b"16 " + b"u" * 1397)
        s.recv(2000)
        break
    except socket.timeout:
        pass
    except OSError:
        found = s.getsockopt(level, mtu)
        break
s.settimeout(10)
for count in range(3):
    try:
        s.send(b"16 " + b"u" * 1100)
        print(found, len(s.recv(2000)))
        break
    except OSError:
        pass
`;

/** Tries 40 times on a UDP socket of the two arguments, address and port. */
const TRYING = `
import socket, sys
address, port = sys.argv[1], int(sys.argv[2])
s = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
s.connect((address, port))
s.settimeout(0.3)
for count in range(40):
    try:
`;

/** Asks for 1,400 bytes in one packet until an answer comes: its length. */
const ASK = `${TRYING}        s.send(b"1400 ")
        print(len(s.recv(2000)))
        break
    except OSError:
        pass
`;

/** Sends over UDP until it hears that nobody listens. */
const DEAF = `${TRYING}        s.send(b"?")
        print(len(s.recv(2000)))
        break
    except socket.timeout:
        pass
    except ConnectionRefusedError:
        print("refused")
        break
`;

describe.each(Object.entries(modes))("a path with a smaller MTU in its middle, %s", (_mode, settings) => {
  let lab: TestLab;
  let beyond: string;
  const servers: ChildProcess[] = [];
  const ip = (netns: string, ...lines: readonly string[]): void =>
    void execFileSync("ip", ["-netns", netns, "-batch", "-"], { input: lines.join("\n") });
  const fromBeyond = (...command: readonly string[]): string =>
    execFileSync("ip", ["netns", "exec", beyond, ...command], { encoding: "utf8", timeout: 40_000 }).trim();
  const fromPod = (script: string, address: string, port: string): string =>
    lab.exec("client", "python3", "-c", script, address, port).trim();

  const ofFamily = (addresses: readonly string[], family: 4 | 6): string =>
    addresses.find((one) => one.includes(":") === (family === 6))!;
  const serviceAddress = async (name: string, family: 4 | 6): Promise<string> => {
    const service = (await lab.list(resourceTypes.services)).find(({ metadata }) => metadata.name === name)!;
    return ofFamily(service.spec!.clusterIPs!, family);
  };

  beforeAll(async () => {
    lab = await TestLab.start({ agentCommand: "own", manifests: manifests(settings) });
    beyond = `cts-t-${lab.name}`;
    const fabric = fabricNetns(lab.name);
    execFileSync("ip", ["netns", "add", beyond]);
    for (const file of ["ipv4.ip_forward", "ipv6.conf.all.forwarding"])
      execFileSync("ip", ["netns", "exec", fabric, "sysctl", "-qw", `net.${file}=1`]);
    ip(
      fabric,
      `link add far type veth peer name near netns ${beyond}`,
      "address add 192.0.2.1/24 dev far",
      "address add fd00:192::1/64 dev far nodad",
      "link set far up",
      `route add 192.0.2.10/32 dev far mtu lock ${SMALL}`,
      `route add fd00:192::10/128 dev far mtu lock ${SMALL}`,
    );
    ip(
      beyond,
      "address add 192.0.2.10/24 dev near",
      "address add fd00:192::10/64 dev near nodad",
      `address add ${near[4]}/32 dev near`,
      // Deprecated: nothing else goes out from there.
      `address add ${near[6]}/128 dev near nodad preferred_lft 0`,
      "link set lo up",
      "link set near up",
      "route add default via 192.0.2.1",
      "route add default via fd00:192::1",
    );
    for (const node of ["node-1", "node-2"])
      ip(
        nodeNetns(lab.name, node),
        `route add ${near[4]}/32 via 172.18.0.1 mtu lock ${SMALL}`,
        `route add ${near[6]}/128 via fd00:172:18::1 mtu lock ${SMALL}`,
      );
    servers.push(
      spawn("ip", ["netns", "exec", beyond, "python3", "-c", SERVER], { stdio: ["ignore", "pipe", "inherit"] }),
      lab.spawn("large", "python3", "-c", SERVER),
    );
    await Promise.all(servers.map(({ stdout }) => new Promise((resolve) => stdout!.once("data", resolve))));
  });
  afterAll(async () => {
    for (const server of servers) server.kill("SIGKILL");
    await lab?.[Symbol.asyncDispose]();
    if (beyond !== undefined) execFileSync("ip", ["netns", "delete", beyond]);
  });

  describe.each([4, 6] as const)("over IPv%i", (family) => {
    it("a pod's masqueraded connections find its MTU", () => {
      expect(fromPod(UDP, far[family], "8081")).toBe(`${SMALL} 16`);
      expect(fromPod(TCP, far[family], "8081")).toBe("200000 300000");
    });

    it("a pod's connections to a Service with a backend outside do so", async () => {
      const address = await serviceAddress("far", family);
      expect(fromPod(UDP, address, "80")).toBe(`${SMALL} 16`);
      expect(fromPod(TCP, address, "80")).toBe("200000 300000");
    });

    it("a pod that dials a Service hears that nobody listens at its backend on another node", async () => {
      expect(fromPod(DEAF, await serviceAddress("deaf", family), "80")).toBe("refused");
    });

    if ("routing-mode" in settings) {
      it("a pod's connections to a Service with a backend on another node do so", async () => {
        const backend = ofFamily(
          (await lab.pod("large"))!.status!.podIPs!.map(({ ip: address }) => address),
          family,
        );
        const route = `${backend} via ${nodeAddresses[family][0]} mtu lock ${SMALL}`;
        const node = nodeNetns(lab.name, "node-2");
        const address = await serviceAddress("large", family);
        ip(node, `route add ${route}`);
        try {
          expect(fromPod(UDP, address, "8081")).toBe(`${SMALL} 16`);
          expect(fromPod(TCP, address, "8081")).toBe("200000 300000");
        } finally {
          ip(node, `route delete ${route}`);
        }
      });
    }

    // In this order: with direct server return the backend learns in the first what it would know in the second.
    it.each([
      ["without the backend", 1],
      ["with the backend", 0],
    ] as const)("connections to a node port on the node %s do so", (_name, index) => {
      expect(fromBeyond("python3", "-c", TCP, nodeAddresses[family][index], "30081")).toBe("200000 300000");
      expect(fromBeyond("python3", "-c", ASK, nodeAddresses[family][index], "30082")).toBe("16");
    });

    it.each([
      ["without the backend", 1],
      ["with the backend", 0],
    ] as const)("so do they where the node %s knows it", (_name, index) => {
      const dialled = [nodeAddresses[family][index], "30081", near[family]];
      expect(fromBeyond("python3", "-c", TCP, ...dialled)).toBe("200000 300000");
    });
  });
});

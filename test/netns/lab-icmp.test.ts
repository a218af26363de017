import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dualStackSettings, nodeAddresses, podManifest, TestLab } from "./support/lab-fixture.js";

const manifests = `${dualStackSettings()}---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  type: NodePort
  ipFamilyPolicy: PreferDualStack
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: 8080, nodePort: 30080 }, { name: udp, port: 9091, protocol: UDP, nodePort: 30091 }]
---
apiVersion: v1
kind: Pod
metadata: { name: web, labels: { app: web } }
spec:
  nodeName: node-1
  containers:
    - { name: echo, image: echo, ports: [{ containerPort: 8080 }, { containerPort: 9091, protocol: UDP }] }
${podManifest("client-1", { node: "node-1" })}${podManifest("client-2", { node: "node-2" })}`;

const gateways = { 4: ["10.244.0.1", "10.244.1.1"], 6: ["fd00:10:244::1", "fd00:10:244:1::1"] } as const;

/** Who says what of UDP packets with ever more hops: an address a line. Arguments: address, port, bytes. */
const HOPS = `
import select, socket, sys
address, port = sys.argv[1], int(sys.argv[2])
is6 = ":" in address
level, receive, hops = (41, 25, 16) if is6 else (0, 11, 2)
for count in range(1, 5):
    s = socket.socket(socket.AF_INET6 if is6 else socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(level, receive, 1)
    s.setsockopt(level, hops, count)
    s.sendto(b"?", (address, port))
    poll = select.poll()
    poll.register(s, select.POLLERR | select.POLLIN)
    if not poll.poll(5000):
        print("silence")
        continue
    try:
        ancillary = s.recvmsg(512, 512, 0x2000)[1][0][2]
    except BlockingIOError:
        print("answer")
        break
    kind = ancillary[5]
    offender = ancillary[16 + 8:16 + 24] if is6 else ancillary[16 + 4:16 + 8]
    print(kind, socket.inet_ntop(socket.AF_INET6 if is6 else socket.AF_INET, offender))
    if kind in ((1,) if is6 else (3,)):
        break
`;

let lab: TestLab;
beforeAll(async () => {
  lab = await TestLab.start({ agentCommand: "own", manifests });
});
afterAll(() => lab?.[Symbol.asyncDispose]());

const addressOf = async (name: string, family: 4 | 6): Promise<string> => {
  const addresses = (await lab.pod(name))!.status!.podIPs!.map(({ ip }) => ip);
  return addresses.find((address) => address.includes(":") === (family === 6))!;
};
const lines = (text: string): readonly string[] => text.trim().split("\n");

describe.each([4, 6] as const)("a packet whose hops are used up, IPv%i", (family) => {
  const expired = family === 4 ? 11 : 3;
  const unreachable = family === 4 ? 3 : 1;

  it("tells a pod which nodes are on its way to another node's pod", async () => {
    const server = await addressOf("client-2", family);
    expect(lines(lab.exec("client-1", "python3", "-c", HOPS, server, "33434"))).toEqual([
      `${expired} ${gateways[family][0]}`,
      `${expired} ${gateways[family][1]}`,
      `${unreachable} ${server}`,
    ]);
  });

  it("tells a pod of its own node on the way to a neighbour", async () => {
    const server = await addressOf("web", family);
    expect(lines(lab.exec("client-1", "python3", "-c", HOPS, server, "33434"))).toEqual([
      `${expired} ${gateways[family][0]}`,
      `${unreachable} ${server}`,
    ]);
  });

  it("tells who dials a node port of the nodes before the backend", () => {
    expect(lines(lab.fromOutside("python3", "-c", HOPS, nodeAddresses[family][1], "30091"))).toEqual([
      `${expired} ${nodeAddresses[family][1]}`,
      expect.stringContaining(`${expired} `),
      "answer",
    ]);
  });
});

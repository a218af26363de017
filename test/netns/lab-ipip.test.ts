import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fabricNetns } from "../../src/lab/lab-name.js";
import { labToolPath } from "../../src/lab/lab-tool.js";
import { dualStackSettings, nodeAddresses, podManifest, TestLab } from "./support/lab-fixture.js";

/** Addresses of a load balancer outside of the cluster, and of its clients. */
const balanced = { 4: "192.0.2.80", 6: "2001:db8::80" } as const;
const gateway = { 4: "172.18.0.1", 6: "fd00:172:18::1" } as const;

const manifests = `${dualStackSettings({ "enable-ipip-termination": "true" })}---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  ipFamilyPolicy: PreferDualStack
  externalIPs: ["${balanced[4]}", "${balanced[6]}"]
  selector: { app: web }
  ports: [{ name: http, port: 80, targetPort: 8080 }, { name: udp, port: 9000, targetPort: 9091, protocol: UDP }]
${["web-1", "web-2"]
  .map((name, index) =>
    podManifest(name, {
      node: `node-${index + 1}`,
      labels: "app: web",
      container: "image: echo\n      ports: [{ containerPort: 8080 }, { containerPort: 9091, protocol: UDP }]",
    }),
  )
  .join("")}`;

/** The load balancer: what is dialled goes to the backends that it is told, inside of another packet. */
const BALANCER = `
import fcntl, os, socket, struct, subprocess, sys
backends = {4: sys.argv[1], 6: sys.argv[2]}
tun = os.open("/dev/net/tun", os.O_RDWR)
fcntl.ioctl(tun, 0x400454ca, struct.pack("16sH", b"balancer", 0x1001))
for words in ("link set balancer mtu 1460 up", "route add ${balanced[4]}/32 dev balancer src ${gateway[4]}",
              "route add ${balanced[6]}/128 dev balancer src ${gateway[6]}"):
    subprocess.run(["ip", *words.split()], check=True)
wraps = {4: socket.socket(socket.AF_INET, socket.SOCK_RAW, 4), 6: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 41)}
print("ready", flush=True)
while True:
    packet = os.read(tun, 2000)
    family = packet[0] >> 4
    wraps[family].sendto(packet, (backends[family], 0))
`;

const inUrl = (address: string): string => (address.includes(":") ? `[${address}]` : address);

describe("a load balancer outside that sends packets in packets to pods behind a tunnel", () => {
  let lab: TestLab;
  let balancer: ChildProcess;

  beforeAll(async () => {
    lab = await TestLab.start({ agentCommand: "own", manifests });
    const fabric = fabricNetns(lab.name);
    const { podIPs = [] } = (await lab.pod("web-1"))!.status!;
    const [ip4 = "", ip6 = ""] = [4, 6].map(
      (family) => podIPs.find(({ ip }) => ip.includes(":") === (family === 6))?.ip ?? "",
    );
    execFileSync("ip", ["-netns", fabric, "route", "add", `${ip4}/32`, "via", nodeAddresses[4][0]]);
    execFileSync("ip", ["-netns", fabric, "route", "add", `${ip6}/128`, "via", nodeAddresses[6][0]]);
    // Answers do not come the way that requests go.
    lab.fromOutside("sh", "-c", "for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 >$file; done");
    balancer = spawn("ip", ["netns", "exec", fabric, "python3", "-c", BALANCER, ip4, ip6], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await new Promise((resolve) => balancer.stdout!.once("data", resolve));
  });
  afterAll(async () => {
    balancer?.kill("SIGKILL");
    await lab?.[Symbol.asyncDispose]();
  });

  describe.each([4, 6] as const)("over IPv%i", (family) => {
    it("reaches the backend that it has chosen, which sees the client and answers it itself", () => {
      const script = `fetch("http://${inUrl(balanced[family])}/json", { signal: AbortSignal.timeout(8000) })
        .then((r) => r.text()).then((t) => process.stdout.write(t))`;
      for (let count = 0; count < 3; count++) {
        const answer = JSON.parse(lab.fromOutside(process.execPath, "-e", script)) as Record<string, string>;
        expect(answer).toMatchObject({ pod: "web-1", client: expect.stringContaining(gateway[family]) });
      }
    });

    it("does so over UDP", () => {
      expect(lab.fromOutside(labToolPath, "udp", balanced[family], "9000", "hello")).toContain("web-1");
    });
  });

  it("the backend's node remembers what was dialled", () => {
    const list = lab.product("bpf", "ct", "list", "--node", "node-1", "--proto", "tcp", "-o", "json").stdout;
    expect(list).toContain("DSRInternal");
  });
});

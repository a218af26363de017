import { spawnSync } from "node:child_process";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { awaitLab } from "../../src/lab/await-lab.js";
import { fabricNetns } from "../../src/lab/lab-name.js";
import { labToolPath } from "../../src/lab/lab-tool.js";
import { type KubeService, resourceTypes } from "../../src/model/kubernetes.js";
import { eventually, nodeAddresses, podManifest, TestLab } from "./support/lab-fixture.js";

const config = (noBackend: "drop" | "reject"): string => `
---
apiVersion: v1
kind: ConfigMap
metadata: { name: cilium-config, namespace: kube-system }
data:
  enable-ipv6: "true"
  bpf-lb-sock-hostns-only: "true"
  bpf-lb-algorithm: maglev
  bpf-lb-source-range-all-types: "true"
  service-no-backend-response: ${noBackend}
`;

const echo = "image: echo\n      ports: [{ containerPort: 8080 }, { containerPort: 9091, protocol: UDP }]";
/** Serves on when it is told to end, until its grace is over. */
const stubborn = `command: [sh, -c, "trap : TERM; cts-lab echo --tcp 8080 --tcp 9090 & while :; do wait; done"]`;

const service = (name: string, selector: string, more = "", nodePort?: number): string => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { ${selector} }
  ipFamilyPolicy: PreferDualStack
  ports: [{ name: http, port: 80, targetPort: 8080 }, { name: lines, port: 9090 }, { name: udp, port: 53, targetPort: 9091, protocol: UDP${nodePort === undefined ? "" : `, nodePort: ${nodePort}`} }]
  ${more}
`;

const node = (name: string): string => `node-${name.at(-1)}`;
const pods = ["web-1", "web-2", "stay-1", "stay-2", "client-1", "client-2"].map((name) => {
  const app = name.slice(0, -2);
  const container = { web: echo, stay: stubborn }[app];
  const spec = `terminationGracePeriodSeconds: ${app === "stay" ? 120 : 1}`;
  return podManifest(name, {
    node: node(name),
    labels: `app: ${app}, name: ${name}`,
    spec,
    ...(container && { container }),
  });
});

const manifests = [
  config("reject"),
  ...pods,
  service("web", "app: web"),
  service("own", "name: web-1"),
  service(
    "brief",
    "app: web",
    "sessionAffinity: ClientIP\n  sessionAffinityConfig: { clientIP: { timeoutSeconds: 1 } }",
  ),
  service("sticky", "app: web", "sessionAffinity: ClientIP"),
  service("there", "name: web-2", "internalTrafficPolicy: Local"),
  service("stay", "app: stay"),
  service("empty", "app: nobody", "type: NodePort", 30053),
  service(
    "open",
    "app: web",
    "type: LoadBalancer\n  loadBalancerSourceRanges: [172.18.0.0/24, fd00:172:18::/64]",
    30054,
  ),
  service("closed", "app: web", "type: LoadBalancer\n  loadBalancerSourceRanges: [192.0.2.0/24, 2001:db8::/32]", 30055),
].join("");

/** Sends a datagram from each of these ports to each address in turn; prints who answers, a line a port. */
const dialer = `
  const [family, first, count, port, ...hosts] = process.argv.slice(1);
  const ask = (socket, host) => new Promise((resolve) => {
    socket.once("message", (text) => resolve(String(text).split(" ")[0]));
    socket.send("hello", Number(port), host);
  });
  (async () => {
    for (let local = Number(first); local < Number(first) + Number(count); local++) {
      const socket = require("node:dgram").createSocket("udp" + family);
      await new Promise((resolve) => socket.bind(local, resolve));
      const names = [];
      for (const host of hosts) names.push(await ask(socket, host));
      console.log(names.join(" "));
      socket.close();
    }
  })();`;

interface Summary {
  readonly received: number;
  readonly by: Readonly<Record<string, number>>;
}

/** On one node. */
interface Frontend {
  readonly frontend: { readonly port: number };
  readonly backends: readonly unknown[];
}

const never = new AbortController().signal;

/** What becomes of connections to Services whose backends come and go, packet by packet: pods have no socket LB here. */
describe("Services that pods are balanced to per packet", () => {
  let lab: TestLab;
  let services: ReadonlyMap<string, KubeService>;

  beforeAll(async () => {
    lab = await TestLab.start({ agentCommand: "own", manifests });
    const listed = await lab.list(resourceTypes.services);
    services = new Map(listed.map((one) => [one.metadata.name, one]));
    // A pod that is ready may be a backend on one node before it is on the other.
    await eventually(
      () => frontendsAt(30_054),
      (rows) => rows.length > 0 && rows.every(({ backends }) => backends.length === 2),
    );
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const frontendsAt = (port: number): readonly Frontend[] => {
    const { stdout } = lab.product("service", "list", "-o", "json");
    return (JSON.parse(stdout) as { readonly items: readonly Frontend[] }).items.filter(
      ({ frontend }) => frontend.port === port,
    );
  };
  const ask = (from: string, url: string, ...options: readonly string[]): Summary =>
    JSON.parse(lab.exec(from, "cts-lab", "http", "--summary", ...options, url)) as Summary;
  const who = (...request: Parameters<typeof ask>): readonly string[] => Object.keys(ask(...request).by).sort();
  const addressOf = (name: string, family: 4 | 6): string =>
    services.get(name)!.spec.clusterIPs!.find((address) => address.includes(":") === (family === 6))!;
  /** Why a request is not answered. */
  const failure = (from: string, name: string, family: 4 | 6, tool = "tcp", timeoutMs = 20_000): string => {
    const request = ["cts-lab", tool, "--timeout-ms", String(timeoutMs), addressOf(name, family)];
    return lab.cli("exec", from, "--", ...request, tool === "tcp" ? "80" : "53").stderr;
  };

  /** A command in the nodes' network, but on none of them. */
  const outside = (...command: readonly string[]) =>
    spawnSync("ip", ["netns", "exec", fabricNetns(lab.name), ...command], { encoding: "utf8", timeout: 60_000 });
  const dropsOf = (name: string): string =>
    lab.product("bpf", "metrics", "list", "--drops", "--node", name, "-o", "jsonl").stdout;

  describe.each([4, 6] as const)("over IPv%i", (family) => {
    it("get the same backend for a connection from outside, whichever node it meets", () => {
      const dial = ["-e", dialer, String(family), "42000", "24", "30054", ...nodeAddresses[family]];
      const lines = outside(process.execPath, ...dial)
        .stdout.trim()
        .split("\n");
      expect(lines).toHaveLength(24);
      expect([...new Set(lines)].sort()).toEqual(["web-1 web-1", "web-2 web-2"]);
    });

    it("take clients from outside by their source ranges, and every pod", () => {
      const [first] = nodeAddresses[family];
      const request = [labToolPath, "udp", "--timeout-ms", "1000", first, "30055", "hello"];
      expect(outside(...request).status).not.toBe(0);
      expect(dropsOf("node-1")).toContain("Denied by LB src range check");
      expect(lab.exec("client-1", "cts-lab", "udp", addressOf("closed", family), "53", "hello")).toContain("web-");
      expect(lab.exec("client-1", "cts-lab", "udp", first, "30055", "hello")).toContain("web-");
    });

    it("without backends refuse clients from outside at a node's port", () => {
      const request = [labToolPath, "udp", "--timeout-ms", "20000", nodeAddresses[family][1], "30053", "hello"];
      expect(outside(...request).stderr).toContain("Connection refused");
    });

    const ofFamily = ["--family", String(family)];

    it("reach every backend, the dialling pod itself too", () => {
      expect(who("client-1", "http://web/", "--count", "30", ...ofFamily)).toEqual(["web-1", "web-2"]);
      expect(ask("web-1", "http://own/", "--count", "5", ...ofFamily).by).toEqual({ "web-1": 5 });
      expect(lab.exec("web-1", "cts-lab", "udp", ...ofFamily, "own", "53", "hello")).toContain("web-1");
    });

    it("keep a client with one backend", () => {
      expect(who("client-1", "http://sticky/", "--count", "20", ...ofFamily)).toHaveLength(1);
    });

    it("that stay on their node refuse pods of a node without backends", () => {
      expect(who("client-2", "http://there/", ...ofFamily)).toEqual(["web-2"]);
      expect(failure("client-1", "there", family)).toContain("Connection refused");
    });

    it("without backends refuse TCP and UDP of pods, and find the node no way", () => {
      expect(failure("client-1", "empty", family)).toContain("Connection refused");
      expect(failure("client-1", "empty", family, "udp")).toContain("Connection refused");
      expect(failure("node/node-1", "empty", family)).toContain("No route to host");
    });
  });

  it("forget a client that was silent for as long as their timeout says", async () => {
    const rare = ["--count", "12", "--interval-ms", "1200", "--summary"];
    const answers = await Promise.all(
      ["4", "6"].map((family) =>
        text(lab.spawn("client-1", "cts-lab", "http", ...rare, "--family", family, "http://brief/").stdout),
      ),
    );
    for (const answer of answers)
      expect(Object.keys((JSON.parse(answer) as Summary).by).sort()).toEqual(["web-1", "web-2"]);
  });

  it("drain: connections stay with a backend that ends, new ones go elsewhere, and to those that end when there is no other", async () => {
    const talk = lab.spawn("client-1", "cts-lab", "tcp", "--count", "100000", "--interval-ms", "50", "stay", "9090");
    const heard: string[] = [];
    createInterface({ input: talk.stdout }).on("line", (line) => heard.push(line.split(" ")[0]!));
    const hearMore = async (): Promise<readonly string[]> => {
      const from = heard.length;
      await eventually(
        () => heard.length,
        (length) => length >= from + 3,
      );
      return [...new Set(heard)];
    };
    try {
      const [first] = await hearMore();
      const other = first === "stay-1" ? "stay-2" : "stay-1";
      const serving = (wanted: readonly string[]) =>
        eventually(
          () => who("client-2", "http://stay/", "--count", "20"),
          (names) => names.join() === wanted.join(),
        );
      await serving(["stay-1", "stay-2"]);
      lab.cli("delete", "Pod", first!);
      await serving([other]);
      expect(await hearMore()).toEqual([first]);
      lab.cli("delete", "Pod", other);
      await serving(["stay-1", "stay-2"]);
      expect(await hearMore()).toEqual([first]);
    } finally {
      talk.kill("SIGKILL");
    }
  });

  it("without backends swallow what pods send where they are told to, and count it", async () => {
    expect(lab.cli("agent", "stop", "node-1").status).toBe(0);
    lab.change(config("drop"));
    expect(lab.cli("agent", "start", "node-1").status).toBe(0);
    await awaitLab(lab.paths, { timeoutMs: 60_000, signal: never, onProgress: () => undefined });
    for (const family of [4, 6] as const) {
      expect(failure("client-1", "empty", family, "udp", 500)).not.toContain("refused");
    }
    expect(dropsOf("node-1")).toContain("Service backend not found");
  });
});

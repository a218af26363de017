import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { fabricNetns } from "../../src/lab/lab-name.js";
import { type KubeNode, resourceTypes } from "../../src/model/kubernetes.js";
import { podManifest, TestLab } from "./support/lab-fixture.js";

const backends = ["a-1", "a-2", "b-1"];
const nodeOf = (backend: string): string => (backend.startsWith("a") ? "node-1" : "node-2");

const echo = (name: string, more = ""): string => `
---
apiVersion: v1
kind: Pod
metadata: { name: ${name}, labels: { app: web, name: ${name} } }
spec:
  nodeName: ${nodeOf(name)}
  terminationGracePeriodSeconds: 1
  containers:
    - name: echo
      image: echo
      ports:
        - { name: http, containerPort: 8080${more} }
        - { name: udp, containerPort: 9091, protocol: UDP }
`;

const service = (name: string, spec: string, ports = "[{ port: 80, targetPort: http }]"): string => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: web }, ipFamilyPolicy: PreferDualStack, ports: ${ports}, ${spec} }
`;

const config = `
---
apiVersion: v1
kind: ConfigMap
metadata: { name: cilium-config, namespace: kube-system }
data: { enable-ipv6: "true", bpf-lb-algorithm-annotation: "true" }
`;

/** Addresses of the world and of a node that a Service claims. */
const external = { world: ["192.0.2.80", "2001:db8::80"], node: ["172.18.0.2", "fd00:172:18::2"] } as const;

const zones = ["node-1", "node-2"]
  .map(
    (name) =>
      `\n---\napiVersion: v1\nkind: Node\nmetadata: { name: ${name}, labels: { topology.kubernetes.io/zone: zone-${name} } }\n`,
  )
  .join("");

const manifests = [
  config,
  zones,
  ...backends.map((name) => echo(name, name === "a-1" ? ", hostPort: 9080" : "")),
  podManifest("client-1", { node: "node-1" }),
  podManifest("client-2", { node: "node-2" }),
  service("all", "type: NodePort", "[{ port: 80, targetPort: http, nodePort: 30080 }]"),
  service("sticky", "sessionAffinity: ClientIP"),
  service("near", "internalTrafficPolicy: Local"),
  service("zoned", "trafficDistribution: PreferClose"),
  service(
    "balanced",
    "type: LoadBalancer, externalTrafficPolicy: Local, healthCheckNodePort: 31500",
    "[{ port: 80, targetPort: http, nodePort: 30081 }]",
  ),
  service("outside", `externalIPs: [${Object.values(external).flat().join(", ")}]`),
  podManifest("lonely", { node: "node-2", spec: "terminationGracePeriodSeconds: 1", container: "image: echo" }),
  service("datagrams", "type: ClusterIP", "[{ port: 53, targetPort: 9091, protocol: UDP }]").replace("web", "lonely"),
].join("");

/** Sends one datagram, tells what comes back, and then only listens. */
const listener = `
  const socket = require("node:dgram").createSocket("udp" + process.argv[1]);
  socket.on("error", ({ code }) => socket.close(() => console.log(code)));
  socket.on("message", (text) => console.log(String(text).trim()));
  socket.connect(53, "datagrams", () => socket.send("hello"));`;

/** The server to which an address belongs that a Service claims. */
const WORLD = `
  require("node:http").createServer((_, response) => response.end("the world itself\\n"))
    .listen(80, "::", () => console.log("ready"));`;
const inUrl = (address: string): string => (address.includes(":") ? `[${address}]` : address);

interface Summary {
  readonly received: number;
  readonly by: Readonly<Record<string, number>>;
}

/** Services of every kind, dialled by pods and by the nodes themselves, through the socket LB. */
describe("Services of two nodes with both address families", () => {
  let lab: TestLab;
  let addresses: ReadonlyMap<string, readonly string[]>;

  beforeAll(async () => {
    lab = await TestLab.start({ agentCommand: "own", manifests });
    const nodes: readonly KubeNode[] = await lab.list(resourceTypes.nodes);
    const internal = ({ status }: KubeNode) =>
      (status?.addresses ?? []).filter(({ type }) => type === "InternalIP").map(({ address }) => address);
    addresses = new Map(nodes.map((node) => [node.metadata.name, internal(node)]));
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  /** Who answered how often. */
  const ask = (from: string, url: string, count: number, ...options: readonly string[]): Summary =>
    JSON.parse(lab.exec(from, "cts-lab", "http", "--summary", "--count", String(count), ...options, url)) as Summary;
  const who = (...request: Parameters<typeof ask>): readonly string[] => Object.keys(ask(...request).by).sort();
  const v4 = (node: string): string => addresses.get(node)!.find((text) => !text.includes(":"))!;
  const v6 = (node: string): string => `[${addresses.get(node)!.find((text) => text.includes(":"))!}]`;

  it.each(["4", "6"])("spread connections of IPv%s over all backends", (family) => {
    expect(who("client-1", "http://all/", 40, "--family", family)).toEqual(backends);
  });

  it("keep a client with one backend where its Service says so", () => {
    expect(who("client-1", "http://sticky/", 30)).toHaveLength(1);
  });

  it.each(["client-1", "client-2"])("stay on the node, or in its zone, where they are told to: %s", (client) => {
    const own = backends.filter((name) => nodeOf(name).at(-1) === client.at(-1));
    expect(who(client, "http://near/", 30)).toEqual(own);
    expect(who(client, "http://zoned/", 30)).toEqual(own);
  });

  it.each(["client-1", "node/node-1"])("are reached by %s at the node port of both nodes, in both families", (from) => {
    for (const host of [v4("node-1"), v4("node-2"), v6("node-1"), v6("node-2")]) {
      expect(who(from, `http://${host}:30080/`, 40)).toEqual(backends);
    }
  });

  it("are reached at a node's own loopback by the node alone", () => {
    expect(who("node/node-2", "http://127.0.0.1:30080/", 40)).toEqual(backends);
    expect(lab.cli("exec", "client-1", "--", "cts-lab", "http", "http://127.0.0.1:30080/").status).not.toBe(0);
  });

  it("do not get what pods and nodes send to addresses of the world", async () => {
    const fabric = ["netns", "exec", fabricNetns(lab.name)];
    for (const address of external.world) execFileSync("ip", [...fabric, "ip", "addr", "add", address, "dev", "lo"]);
    const server = spawn("ip", [...fabric, process.execPath, "-e", WORLD], { stdio: ["ignore", "pipe", "inherit"] });
    try {
      await once(server.stdout, "data");
      for (const from of ["client-1", "client-2", "node/node-1"])
        for (const address of external.world)
          expect(lab.exec(from, "cts-lab", "http", `http://${inUrl(address)}/`)).toContain("the world itself");
    } finally {
      server.kill("SIGKILL");
    }
  });

  it("are reached at the external address that is a node's own, from everywhere", () => {
    for (const from of ["client-1", "client-2", "node/node-1", "node/node-2"])
      for (const address of external.node) expect(who(from, `http://${inUrl(address)}/`, 40)).toEqual(backends);
  });

  it("give pods and nodes every backend of a node port whose policy outside is Local", () => {
    expect(who("client-2", `http://${v4("node-2")}:30081/`, 40)).toEqual(backends);
  });

  it("tell external balancers how many backends a node has", () => {
    const status = (node: string) => lab.exec(`node/${node}`, "cts-lab", "http", "http://127.0.0.1:31500/");
    expect(status("node-1")).toContain('"localEndpoints":2');
    expect(status("node-2")).toContain('"localEndpoints":1');
  });

  it("have pods' host ports on their node, and on no other", () => {
    for (const host of [v4("node-1"), v6("node-1")])
      expect(who("client-1", `http://${host}:9080/`, 5)).toEqual(["a-1"]);
    expect(who("node/node-1", "http://127.0.0.1:9080/", 5)).toEqual(["a-1"]);
    expect(lab.cli("exec", "client-1", "--", "cts-lab", "http", `http://${v4("node-2")}:9080/`).status).not.toBe(0);
  });

  it("keep their node ports from processes of the node, not from pods", () => {
    const bind = (target: string, port: string) =>
      lab.cli("exec", target, "--", "timeout", "0.5", "cts-lab", "echo", "--tcp", port).stderr;
    expect(bind("node/node-1", "30080")).toContain("Address already in use");
    expect(bind("client-1", "30080")).toBe("");
    expect(bind("node/node-1", "30099")).toBe("");
  });

  it("close a pod's UDP sockets when the backend that they talk to is gone, in both families", async () => {
    const sockets = ["4", "6"].map((family) =>
      createInterface(lab.spawn("client-1", process.execPath, "-e", listener, family).stdout)[Symbol.asyncIterator](),
    );
    const hear = async (): Promise<readonly unknown[]> =>
      Promise.all(sockets.map(async (lines) => (await lines.next()).value));
    expect(await hear()).toEqual(["lonely hello", "lonely hello"]);
    lab.cli("delete", "Pod", "lonely");
    expect(await hear()).toEqual(["ECONNABORTED", "ECONNABORTED"]);
  });
});

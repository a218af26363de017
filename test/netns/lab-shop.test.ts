import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodePaths } from "../../src/lab/lab-paths.js";
import { findNodeInit } from "../../src/lab/node-init.js";
import { isPodReady } from "../../src/lab/pod-conditions.js";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { eventually, podManifest, TestLab } from "./support/lab-fixture.js";

const web = (replicas: number, name = "cart"): string => `
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: ${name} }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: ${name} } }
  template:
    metadata: { labels: { app: ${name} } }
    spec:
      containers:
        - name: echo
          image: echo
          ports:
            - { name: http, containerPort: 8080 }
            - { name: lines, containerPort: 9090 }
            - { name: udp, containerPort: 9091, protocol: UDP }
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec:
  selector: { app: ${name} }
  ports:
    - { name: http, port: 80, targetPort: http }
    - { name: lines, port: 9090, targetPort: lines }
    - { name: udp, port: 9091, targetPort: udp, protocol: UDP }
`;

interface Summary {
  readonly sent: number;
  readonly received: number;
  readonly by: Readonly<Record<string, number>>;
}

const summary = (lab: TestLab, pod: string, ...request: readonly string[]): Summary =>
  JSON.parse(lab.exec(pod, "cts-lab", request[0]!, "--summary", ...request.slice(1))) as Summary;

/** The product's own agent and datapath: what a newcomer sees. */
describe("a shop on two nodes and our datapath", () => {
  let lab: TestLab;

  beforeAll(async () => {
    const clients =
      podManifest("client-1", { node: "node-1" }) + podManifest("client-2", { node: "node-2" }) + podManifest("admin");
    const nobody =
      "\n---\napiVersion: v1\nkind: Service\nmetadata: { name: nobody }\nspec: { selector: { app: nobody }, ports: [{ port: 80 }] }\n";
    lab = await TestLab.start({ agentCommand: "own", manifests: web(3) + clients + nobody });
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  it.each(["client-1", "client-2"])("lets %s reach every backend of the Service by its name", (client) => {
    const answers = summary(lab, client, "http", "--count", "60", "http://cart/");
    expect([answers.sent, answers.received]).toEqual([60, 60]);
    expect(Object.keys(answers.by)).toHaveLength(3);
  });

  it("keeps a TCP connection with one backend, and answers UDP", () => {
    const lines = summary(lab, "client-1", "tcp", "--count", "20", "cart", "9090");
    expect([lines.received, Object.keys(lines.by).length]).toEqual([20, 1]);
    expect(summary(lab, "client-2", "udp", "--count", "20", "cart", "9091").received).toBe(20);
  });

  it("refuses a Service without backends at once", () => {
    const refused = lab.cli("exec", "client-1", "--", "cts-lab", "http", "--timeout-ms", "60000", "http://nobody/");
    expect(refused).toMatchObject({ status: 1, stderr: expect.stringContaining("No route to host") });
  });

  it("serves new connections while a node's agent is down", () => {
    expect(lab.cli("agent", "stop", "node-1", "--kill").status).toBe(0);
    const answers = summary(lab, "client-1", "http", "--count", "100", "http://cart/");
    expect(answers.received).toBe(100);
    expect(lab.cli("status").status).toBe(3);
    expect(lab.cli("agent", "start", "node-1").status).toBe(0);
    expect(summary(lab, "client-1", "http", "--count", "10", "http://cart/").received).toBe(10);
  });

  it("comes back when a node's first process was killed: its agent takes no device of the dead node for a stranger's", async () => {
    const node = nodePaths(lab.paths, "node-2");
    const before = findNodeInit(node)!;
    process.kill(before.pid, "SIGKILL");
    await eventually(
      () => findNodeInit(node),
      (init) => init !== undefined && init.startTime !== before.startTime,
    );
    await eventually(
      () => lab.cli("status").status,
      (status) => status === 0,
    );
    const answers = await eventually(
      () => summary(lab, "client-2", "http", "--count", "30", "http://cart/"),
      ({ received }) => received === 30,
    );
    expect(answers.received).toBe(30);
  });

  it("takes pods out of the Service when they go, and new ones in", async () => {
    await lab.up({ manifests: web(1), agentCommand: "own" });
    const names = async (): Promise<readonly string[]> => {
      const answers = summary(lab, "client-2", "http", "--count", "20", "http://cart/");
      return answers.received === 20 ? Object.keys(answers.by) : [];
    };
    await eventually(names, (found) => found.length === 1);
    await lab.up({ manifests: web(5), agentCommand: "own" });
    const all = async (): Promise<number> =>
      Object.keys(summary(lab, "client-2", "http", "--count", "100", "http://cart/").by).length;
    expect(await eventually(all, (count) => count === 5)).toBe(5);
  });
});

if (process.env.CTS_TEST_LONG === "1") {
  describe("twenty nodes with ten pods each", () => {
    it("come up, and a client reaches pods on every node", { timeout: 400_000 }, async () => {
      await using lab = new TestLab(`big-${process.pid.toString(36)}`);
      await lab.up({ nodes: 20, agentCommand: "own", wait: false, manifests: web(200, "big") + podManifest("client") });
      const ready = async (): Promise<number> => (await lab.list(resourceTypes.pods)).filter(isPodReady).length;
      expect(await eventually(ready, (count) => count === 201, 300_000)).toBe(201);
      const answers = summary(lab, "client", "http", "--count", "2000", "http://big/");
      expect(answers.received).toBe(2000);
      const nodeOf = new Map((await lab.list(resourceTypes.pods)).map((pod) => [pod.metadata.name, pod.spec.nodeName]));
      // The summary names 64 pods; with 2,000 requests over 200 pods they lie on all nodes.
      expect(new Set(Object.keys(answers.by).map((name) => nodeOf.get(name))).size).toBeGreaterThanOrEqual(15);
    });
  });
}

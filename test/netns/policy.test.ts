import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { isPodReady } from "../../src/lab/pod-conditions.js";
import { commandLine, eventually, podManifest, TestLab } from "./support/lab-fixture.js";

const server = `image: echo
      ports:
        - { name: http, containerPort: 8080 }
        - { name: lines, containerPort: 9090 }
      readinessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 1
        timeoutSeconds: 30
        failureThreshold: 1`;

/** Two addresses outside the cluster, as far as policies know, with a server: on the loopback device of a node. */
const outside = ["203.0.113.10", "203.0.113.20"] as const;

const manifests = [
  podManifest("web", { node: "node-1", container: server }),
  podManifest("near", { node: "node-1" }),
  podManifest("far", { node: "node-2" }),
  podManifest("outside", {
    node: "node-1",
    spec: "hostNetwork: true",
    container: "image: echo\n      args: [--tcp, '7070']",
  }),
  "\n---\napiVersion: v1\nkind: Service\nmetadata: { name: web }\nspec: { selector: { app: web }, ports: [{ name: http, port: 80, targetPort: http }] }\n",
].join("");

let lab: TestLab;
let folder: string;
beforeAll(async () => {
  lab = await TestLab.start({ agentCommand: "own", manifests });
  folder = mkdtempSync(join(tmpdir(), "cts-t-policy-"));
  for (const address of outside) lab.exec("outside", "ip", "address", "add", `${address}/32`, "dev", "lo");
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await lab[Symbol.asyncDispose]();
});

/** Kind and name. */
const applied = new Map<string, readonly [string, string]>();
/** Policies of a test; they are gone after it. */
function apply(kind: "NetworkPolicy" | "CiliumNetworkPolicy", name: string, spec: unknown): void {
  const apiVersion = kind === "NetworkPolicy" ? "networking.k8s.io/v1" : "cilium.io/v2";
  const file = join(folder, `${name}.json`);
  writeFileSync(file, JSON.stringify({ apiVersion, kind, metadata: { name }, spec }));
  const { status, stderr } = lab.cli("apply", "-f", file);
  if (status !== 0) throw new Error(stderr);
  applied.set(`${kind} ${name}`, [kind === "NetworkPolicy" ? "netpol" : "cnp", name]);
}
afterEach(() => {
  for (const object of applied.values()) expect(lab.cli("delete", ...object).stderr).toBe("");
  applied.clear();
});

const web = { matchLabels: { app: "web" } };
const near = { matchLabels: { app: "near" } };

type Request = readonly [pod: string, ...command: string[]];
const http = (pod: string, url = "http://web/"): Request => [pod, "http", "--timeout-ms", "1000", url];
const isAnswered = async ([pod, ...command]: Request): Promise<boolean> =>
  (await lab.execStatus(pod, "cts-lab", ...command)) === 0;

/** A change of policy is in force within moments: asked until it shows, and then once more. */
async function expectAnswers(expected: ReadonlyMap<Request, boolean>): Promise<void> {
  const ask = () => Promise.all([...expected.keys()].map(isAnswered));
  const wanted = JSON.stringify([...expected.values()]);
  await eventually(ask, (answers) => JSON.stringify(answers) === wanted);
  expect(await ask()).toEqual([...expected.values()]);
}

describe("NetworkPolicy", () => {
  it("denies by default what it does not allow, to pods of its node and of others", async () => {
    await expectAnswers(
      new Map([
        [http("near"), true],
        [http("far"), true],
      ]),
    );
    apply("NetworkPolicy", "web", { podSelector: web, policyTypes: ["Ingress"] });
    await expectAnswers(
      new Map([
        [http("near"), false],
        [http("far"), false],
      ]),
    );
    apply("NetworkPolicy", "near", { podSelector: web, ingress: [{ from: [{ podSelector: near }] }] });
    await expectAnswers(
      new Map([
        [http("near"), true],
        [http("far"), false],
      ]),
    );
  });

  it("lets the kubelet's probes and replies pass, and a pod reach itself through its Service", async () => {
    apply("NetworkPolicy", "web", { podSelector: web, policyTypes: ["Ingress", "Egress"], egress: [] });
    apply("NetworkPolicy", "near", {
      podSelector: near,
      policyTypes: ["Ingress", "Egress"],
      egress: [{ to: [{ podSelector: web }] }],
    });
    await expectAnswers(
      new Map([
        [http("near"), false],
        [http("web"), true],
      ]),
    );
    const before = (await lab.pod("web"))!.status!.conditions;
    expect(isPodReady((await lab.pod("web"))!), JSON.stringify(before)).toBe(true);
    apply("NetworkPolicy", "web", { podSelector: web, ingress: [{ from: [{ podSelector: near }] }], egress: [] });
    await expectAnswers(new Map([[http("near"), true]]));
  });

  it("names a container's port, and takes effect on this port alone", async () => {
    apply("NetworkPolicy", "web", { podSelector: web, ingress: [{ ports: [{ port: "lines" }] }] });
    const address = (await lab.pod("web"))!.status!.podIP!;
    await expectAnswers(
      new Map<Request, boolean>([
        [http("far"), false],
        [["far", "tcp", "--timeout-ms", "1000", address, "9090"], true],
      ]),
    );
  });

  it("allows prefixes but for those that it excepts", async () => {
    const ipBlock = { cidr: "203.0.113.0/24", except: ["203.0.113.16/28"] };
    const [allowed, excepted] = outside.map((address) => http("near", `http://${address}:7070/`));
    await expectAnswers(
      new Map([
        [allowed!, true],
        [excepted!, true],
      ]),
    );
    apply("NetworkPolicy", "near", { podSelector: near, policyTypes: ["Egress"], egress: [{ to: [{ ipBlock }] }] });
    await expectAnswers(
      new Map([
        [allowed!, true],
        [excepted!, false],
        [http("near"), false],
      ]),
    );
  });
});

describe("CiliumNetworkPolicy", () => {
  it("denies what another one allows", async () => {
    apply("CiliumNetworkPolicy", "all", { endpointSelector: web, ingress: [{ fromEntities: ["all"] }] });
    apply("CiliumNetworkPolicy", "far", {
      endpointSelector: web,
      ingressDeny: [{ fromEndpoints: [{ matchLabels: { app: "far" } }] }],
    });
    await expectAnswers(
      new Map([
        [http("near"), true],
        [http("far"), false],
      ]),
    );
  });

  it("names entities", async () => {
    const world = http("near", `http://${outside[0]}:7070/`);
    apply("CiliumNetworkPolicy", "near", { endpointSelector: near, egress: [{ toEntities: ["cluster"] }] });
    await expectAnswers(
      new Map([
        [http("near"), true],
        [world, false],
      ]),
    );
    apply("CiliumNetworkPolicy", "near", { endpointSelector: near, egress: [{ toEntities: ["world"] }] });
    await expectAnswers(
      new Map([
        [http("near"), false],
        [world, true],
      ]),
    );
  });

  it("allows types of ICMP", async () => {
    const address = (await lab.pod("web"))!.status!.podIP!;
    const ping: Request = ["far", "ping", "--timeout-ms", "1000", "--count", "1", address];
    apply("CiliumNetworkPolicy", "web", {
      endpointSelector: web,
      ingress: [{ fromEntities: ["all"], icmps: [{ fields: [{ type: 8, family: "IPv4" }] }] }],
    });
    await expectAnswers(
      new Map([
        [ping, true],
        [http("far"), false],
      ]),
    );
    apply("CiliumNetworkPolicy", "web", {
      endpointSelector: web,
      ingress: [{ fromEntities: ["all"], icmps: [{ fields: [{ type: "Timestamp" }] }] }],
    });
    await expectAnswers(new Map([[ping, false]]));
  });
});

describe("a change of policy", () => {
  it("cuts established connections that it does not allow", async () => {
    const address = (await lab.pod("web"))!.status!.podIP!;
    const request = ["tcp", "--timeout-ms", "3000", "--count", "10000", "--interval-ms", "20", address, "9090"];
    const [program = "", ...first] = commandLine;
    const talking = spawn(program, [...first, "lab", "exec", "far", "--name", lab.name, "--", "cts-lab", ...request]);
    const ended = new Promise<number | null>((resolve) => talking.once("exit", resolve));
    await new Promise((resolve) => talking.stdout.once("data", resolve));
    apply("NetworkPolicy", "web", { podSelector: web, policyTypes: ["Ingress"] });
    expect(await ended).not.toBe(0);
  });
});

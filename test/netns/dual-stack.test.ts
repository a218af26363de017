import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodePaths } from "../../src/lab/lab-paths.js";
import { readProcessFile } from "../../src/lab/process-table.js";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { commandLine, eventually, podManifest, TestLab } from "./support/lab-fixture.js";

const settings = (data: string): string => `
---
apiVersion: v1
kind: ConfigMap
metadata: { name: cilium-config, namespace: kube-system }
data: { ${data} }
`;

const service = (families: string): string => `
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ${families}
  ports:
    - { name: http, port: 80, targetPort: 8080 }
    - { name: udp, port: 9091, protocol: UDP }
`;

const echo = `image: echo
      ports: [{ containerPort: 8080 }, { containerPort: 9090 }, { containerPort: 9091, protocol: UDP }]
      readinessProbe: { httpGet: { path: /healthz, port: 8080 }, periodSeconds: 1 }`;

const echoPod = (name: string, node: string): string =>
  podManifest(name, { node, labels: "app: web", container: echo });

const pods = [podManifest("client", { node: "node-1" }), echoPod("near", "node-1"), echoPod("far", "node-2")].join("");

interface Summary {
  readonly sent: number;
  readonly received: number;
  readonly by: Readonly<Record<string, number>>;
}

/** The product's own agent and datapath, asked as a user of the lab would. */
class FamilyLab {
  readonly lab: TestLab;
  readonly #addresses = new Map<string, readonly string[]>();

  constructor(lab: TestLab) {
    this.lab = lab;
  }

  static async start(config: string, families: string): Promise<FamilyLab> {
    const manifests = settings(config) + pods + service(families);
    const started = new FamilyLab(await TestLab.start({ agentCommand: "own", manifests }));
    for (const { metadata, status } of await started.lab.list(resourceTypes.pods))
      started.#addresses.set(metadata.name, status?.podIPs?.map(({ ip }) => ip) ?? []);
    return started;
  }

  addressesOf(pod: string): readonly string[] {
    return this.#addresses.get(pod)!;
  }

  /** The pod's address as it stands in a URL. */
  host(pod: string, family: 4 | 6): string {
    const address = this.addressesOf(pod).find((text) => text.includes(":") === (family === 6))!;
    return family === 6 ? `[${address}]` : address;
  }

  ask(from: string, ...request: readonly string[]): Summary {
    const [tool = "", ...rest] = request;
    return JSON.parse(this.lab.exec(from, "cts-lab", tool, "--summary", ...rest)) as Summary;
  }

  /** Lists of our own commands, as rows. */
  rows(...command: readonly string[]): readonly Readonly<Record<string, unknown>>[] {
    const [program = "", ...first] = commandLine;
    const child = spawnSyncText(program, [...first, ...command, "--lab", this.lab.name, "-o", "json"]);
    return (JSON.parse(child) as { readonly items: readonly Readonly<Record<string, unknown>>[] }).items;
  }

  /** Of a pod to a port, as `which` finds them: it fails while there is none. */
  connections(from: string, to: string, port: string): readonly Readonly<Record<string, unknown>>[] {
    try {
      return this.rows("which", from, "--to", to, "--port", port);
    } catch {
      return [];
    }
  }

  /** Packets of this lab that were dropped, with their reasons. */
  drops(): readonly string[] {
    return this.rows("bpf", "metrics", "list", "--drops").map(
      ({ reasonText, file, packets }) => `${String(packets)} ${String(reasonText)} ${String(file)}`,
    );
  }

  async killAgent(node: string): Promise<void> {
    const paths = nodePaths(this.lab.paths, node);
    const before = readProcessFile(paths.agentPid)!;
    process.kill(before.pid, "SIGKILL");
    await eventually(
      () => readProcessFile(paths.agentPid)?.pid,
      (pid) => pid !== undefined && pid !== before.pid,
    );
  }
}

function spawnSyncText(program: string, args: readonly string[]): string {
  const result = spawnSync(program, [...args], { encoding: "utf8" });
  if (result.status !== 0) throw new Error(`${args.join(" ")} ended with ${result.status}: ${result.stderr}`);
  return result.stdout;
}

describe("a lab of both families", () => {
  let both: FamilyLab;
  beforeAll(async () => {
    both = await FamilyLab.start('enable-ipv6: "true"', "ipFamilyPolicy: RequireDualStack");
  });
  afterAll(() => both.lab[Symbol.asyncDispose]());

  it("gives nodes, pods and Services addresses of both", async () => {
    expect(both.addressesOf("client")).toEqual([
      expect.stringMatching(/^10\.244\.0\./),
      expect.stringMatching(/^fd00:10:244::/),
    ]);
    expect(both.addressesOf("far")).toEqual([
      expect.stringMatching(/^10\.244\.1\./),
      expect.stringMatching(/^fd00:10:244:1::/),
    ]);
    const [web] = await both.lab.list(resourceTypes.services);
    expect(web?.spec.clusterIPs).toEqual([expect.stringMatching(/^10\./), expect.stringMatching(/^fd00:10:96::/)]);
    const slices = await both.lab.list(resourceTypes.endpointSlices);
    const sizes = slices.map(({ addressType, endpoints }) => `${addressType} ${endpoints.length}`);
    expect(sizes.sort()).toEqual(["IPv4 2", "IPv6 2"]);
  });

  it("has dropped nothing while it came up", () => {
    expect(both.drops()).toEqual([]);
  });

  it.each([
    ["near", 4],
    ["near", 6],
    ["far", 4],
    ["far", 6],
  ] as const)("lets a pod reach the %s pod over IPv%i: HTTP, UDP, echo", (pod, family) => {
    const host = both.host(pod, family);
    const bare = host.replaceAll(/[[\]]/g, "");
    expect(both.ask("client", "http", "--count", "5", `http://${host}:8080/`).by).toEqual({ [pod]: 5 });
    expect(both.ask("client", "udp", "--count", "5", bare, "9091").by).toEqual({ [pod]: 5 });
    expect(both.lab.exec("client", "cts-lab", "ping", bare)).toContain("1 of 1 answers");
  });

  it.each([4, 6] as const)("lets a pod reach both backends of the Service by its name over IPv%i", (family) => {
    const answers = both.ask("client", "http", "--family", String(family), "--count", "30", "http://web/");
    expect([answers.received, Object.keys(answers.by).sort()]).toEqual([30, ["far", "near"]]);
    expect(both.ask("client", "udp", "--family", String(family), "--count", "10", "web", "9091").received).toBe(10);
  });

  it.each([4, 6] as const)("joins nodes and pods over IPv%i both ways", (family) => {
    for (const pod of ["near", "far"]) {
      expect(both.ask("node/node-1", "http", `http://${both.host(pod, family)}:8080/`).by).toEqual({ [pod]: 1 });
    }
    const nodes =
      family === 4
        ? ["10.244.0.1", "10.244.1.1", "172.18.0.2"]
        : ["fd00:10:244::1", "fd00:10:244:1::1", "fd00:172:18::2"];
    for (const address of nodes)
      expect(both.lab.exec("client", "cts-lab", "ping", address)).toContain("1 of 1 answers");
  });

  it("answers a pod's neighbour solicitation for its gateway", () => {
    const gateway = "fd00:10:244::1";
    both.lab.exec("client", "ip", "-6", "neighbour", "delete", gateway, "dev", "eth0");
    expect(both.lab.exec("client", "cts-lab", "ping", both.host("far", 6).slice(1, -1))).toContain("1 of 1 answers");
    expect(both.lab.exec("client", "ip", "-6", "neighbour", "show", gateway)).toMatch(
      /lladdr .* (REACHABLE|DELAY|STALE)/,
    );
  });

  it("refuses a port that nobody listens on at once, over IPv6 too", () => {
    const bare = both.host("far", 6).slice(1, -1);
    const failed = both.lab.cli("exec", "client", "--", "cts-lab", "udp", "--timeout-ms", "20000", bare, "5353");
    expect(failed.stderr).toContain("Connection refused");
  });

  it("tells a pod of a smaller MTU on the way, over IPv6 too", () => {
    const other = "fd00:172:18::3";
    // Locked: of IPv6 the kernel's look-up for programs asks for no other MTU of a route.
    const route = [`${other}/128`, "dev", "eth0", "mtu", "lock", "1300"];
    both.lab.exec("node/node-1", "ip", "-6", "route", "replace", ...route);
    const ping = ["cts-lab", "ping", "--size", "1380", "--count", "2", "--timeout-ms", "300", other];
    const tooBig = both.lab.cli("exec", "client", "--", ...ping);
    expect(tooBig.stderr).toContain("Message too long");
    expect(both.lab.exec("client", "ip", "-6", "route", "get", other)).toContain("mtu 1300");
    both.lab.exec("node/node-1", "ip", "-6", "route", "delete", ...route);
  });

  it("keeps connections of both families when agents are killed, and is told of pods by the same maps afterwards", async () => {
    const talks = [4, 6].map((family) => {
      const host = both.host("far", family as 4 | 6).replaceAll(/[[\]]/g, "");
      const child = both.lab.spawn(
        "client",
        "cts-lab",
        "tcp",
        "--summary",
        "--count",
        "40",
        "--interval-ms",
        "100",
        host,
        "9090",
      );
      const chunks: Buffer[] = [];
      child.stdout.on("data", (chunk: Buffer) => chunks.push(chunk));
      return once(child, "close").then(() => JSON.parse(Buffer.concat(chunks).toString()) as Summary);
    });
    await both.killAgent("node-1");
    await both.killAgent("node-2");
    for (const talk of await Promise.all(talks)) expect(talk.by).toEqual({ far: 40 });
    await both.lab.up({ agentCommand: "own" });
    expect(both.ask("client", "http", "--family", "6", "--count", "10", "http://web/").received).toBe(10);
  });

  it("names the socket of a connection over IPv6 by the pod's IPv6 address, once", async () => {
    const host = both.host("near", 6).slice(1, -1);
    const talk = both.lab.spawn("client", "cts-lab", "tcp", "--count", "200", "--interval-ms", "100", host, "9090");
    const rows = await eventually(
      () => both.connections("client", host, "9090"),
      (found) => found.length > 0,
    );
    expect(rows.map(({ source, verdict }) => `${String(source)} ${String(verdict)}`)).toEqual([
      `${both.addressesOf("client")[1]} direct`,
    ]);
    talk.kill("SIGKILL");
  });

  it("shows both families where a user looks", () => {
    const endpoints = both.rows("endpoint", "list");
    expect(endpoints.find(({ podName }) => podName === "client")).toMatchObject({
      ipv4: both.addressesOf("client")[0],
      ipv6: both.addressesOf("client")[1],
    });
    const frontends = both.rows("service", "list").map(({ frontend }) => JSON.stringify(frontend));
    expect(frontends.filter((text) => text.includes("fd00:10:96::")).length).toBeGreaterThan(0);
    const worlds = both
      .rows("bpf", "ipcache", "list")
      .filter(({ prefix }) => prefix === "0.0.0.0/0" || prefix === "::/0");
    expect(new Set(worlds.map(({ prefix, identity }) => `${String(prefix)} ${String(identity)}`))).toEqual(
      new Set(["0.0.0.0/0 9", "::/0 10"]),
    );
  });
});

describe("a lab of IPv6 alone", () => {
  let six: FamilyLab;
  beforeAll(async () => {
    six = await FamilyLab.start('enable-ipv6: "true", enable-ipv4: "false"', "");
  });
  afterAll(() => six.lab[Symbol.asyncDispose]());

  it("gives nothing an IPv4 address", async () => {
    expect(six.addressesOf("client")).toEqual([expect.stringMatching(/^fd00:10:244::/)]);
    const [web] = await six.lab.list(resourceTypes.services);
    expect(web?.spec).toMatchObject({ ipFamilies: ["IPv6"], clusterIPs: [expect.stringMatching(/^fd00:10:96::/)] });
    expect(six.lab.exec("node/node-1", "ip", "-4", "address", "show", "dev", "eth0")).toBe("");
  });

  it("lets pods reach each other, through a tunnel over IPv6, and the Service", () => {
    for (const pod of ["near", "far"]) {
      expect(six.ask("client", "http", "--count", "5", `http://${six.host(pod, 6)}:8080/`).by).toEqual({ [pod]: 5 });
    }
    const answers = six.ask("client", "http", "--count", "30", "http://web/");
    expect(Object.keys(answers.by).sort()).toEqual(["far", "near"]);
    const tunnels = six.rows("bpf", "ipcache", "list").flatMap(({ tunnelEndpoint }) => tunnelEndpoint ?? []);
    expect(tunnels).toContain("fd00:172:18::3");
  });

  it("sends large answers whole: the pods' MTU leaves room for the larger outer header", () => {
    expect(six.lab.exec("client", "ip", "-6", "route", "show", "default")).toContain("mtu 1430");
    const far = six.host("far", 6).slice(1, -1);
    expect(six.lab.exec("client", "cts-lab", "ping", "--size", "1390", far)).toContain("1 of 1 answers");
  });
});

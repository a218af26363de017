import { closeSync, openSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import {
  type KubeDeployment,
  type KubeEndpointSlice,
  type KubePod,
  resourceTypes,
} from "../../src/model/kubernetes.js";
import { eventually, podManifest, TestLab } from "./support/lab-fixture.js";

const probedServer = `image: echo
      ports:
        - { name: http, containerPort: 8080 }
      readinessProbe:
        httpGet: { path: /healthz, port: http }
        periodSeconds: 1
        timeoutSeconds: 30
        failureThreshold: 1`;

const service = `
---
apiVersion: v1
kind: Service
metadata: { name: web }
spec:
  selector: { app: web }
  ports:
    - { name: http, port: 80, targetPort: http }
---
apiVersion: v1
kind: Service
metadata: { name: nobody }
spec:
  selector: { app: nobody }
  ports: [{ port: 80 }]
`;

const deployment = (replicas: number, version: string): string => `
---
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  replicas: ${replicas}
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web, version: ${version} } }
    spec:
      containers:
        - name: main
          image: echo
          ports: [{ name: http, containerPort: 8080 }]
`;

function container(
  pod: KubePod | undefined,
): NonNullable<NonNullable<KubePod["status"]>["containerStatuses"]>[number] | undefined {
  return pod?.status?.containerStatuses?.[0];
}

/** A pod that is never ready: left behind by a test that fails, it would hold up everyone who waits for the lab. */
function deleteAtEnd(lab: TestLab, pod: string): Disposable {
  return { [Symbol.dispose]: () => void lab.cli("delete", "pod", pod, "--grace-period", "0") };
}

describe("pods of a lab", () => {
  let lab: TestLab;

  beforeAll(async () => {
    lab = await TestLab.start({ manifests: podManifest("client", { node: "node-1" }) });
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const slices = async (name: string): Promise<KubeEndpointSlice | undefined> =>
    (await lab.list(resourceTypes.endpointSlices)).find(
      (slice) => slice.metadata.labels?.["kubernetes.io/service-name"] === name,
    );
  const address = async (name: string): Promise<string> => (await lab.pod(name))!.status!.podIP!;

  it("enter a Service's endpoints when their readiness probe succeeds, and leave when it fails", async () => {
    await lab.up({ manifests: podManifest("web", { container: probedServer }) + service });
    const ready = (want: boolean) => (slice: KubeEndpointSlice | undefined) =>
      slice?.endpoints[0]?.conditions?.ready === want;
    const slice = await eventually(() => slices("web"), ready(true));
    expect(slice).toMatchObject({
      ports: [{ name: "http", port: 8080, protocol: "TCP" }],
      endpoints: [{ addresses: [await address("web")] }],
    });
    lab.exec("client", "cts-lab", "http", `http://${await address("web")}:8080/fail`);
    await eventually(() => slices("web"), ready(false));
    expect((await lab.pod("web"))?.status?.conditions?.find(({ type }) => type === "Ready")?.status).toBe("False");
    lab.exec("client", "cts-lab", "http", `http://${await address("web")}:8080/recover`);
    await eventually(() => slices("web"), ready(true));
    expect(container(await lab.pod("web"))?.restartCount).toBe(0);
  });

  it("leave a Service that selects nobody with an address and an empty slice", async () => {
    expect(
      await eventually(
        () => slices("nobody"),
        (slice) => slice !== undefined,
      ),
    ).toMatchObject({ endpoints: [] });
    const found = (await lab.list(resourceTypes.services)).find(({ metadata }) => metadata.name === "nobody");
    expect(found?.spec.clusterIP).toMatch(/^10\.(9[6-9]|10\d|11[01])\./);
  });

  it("are restarted when their liveness probe fails", async () => {
    const live = `image: echo
      livenessProbe: { httpGet: { path: /healthz, port: 8080 }, periodSeconds: 1, timeoutSeconds: 30, failureThreshold: 2 }`;
    await lab.up({ manifests: podManifest("live", { container: live }) });
    lab.exec("client", "cts-lab", "http", `http://${await address("live")}:8080/fail`);
    const status = await eventually(
      async () => container(await lab.pod("live")),
      (one) => one?.restartCount === 1 && one.ready,
    );
    expect(status?.lastState?.terminated?.exitCode).toBe(143);
  });

  it("run exec and tcp probes in the container and from the node", async () => {
    const probes = `command: ["sh", "-c", "sleep 1; touch /tmp/$POD_UID; exec cts-lab echo --tcp 7000"]
      startupProbe: { exec: { command: ["sh", "-c", "test -e /tmp/$POD_UID"] }, periodSeconds: 1, timeoutSeconds: 30, failureThreshold: 10 }
      readinessProbe: { tcpSocket: { port: 7000 }, periodSeconds: 1, timeoutSeconds: 30 }`;
    await lab.up({ manifests: podManifest("probed", { container: probes }) });
    expect(container(await lab.pod("probed"))).toMatchObject({ ready: true, started: true, restartCount: 0 });
    lab.exec("probed", "sh", "-c", "rm /tmp/$POD_UID");
  });

  it("are restarted at once the first time, then held back for ten seconds", async () => {
    using _crashing = deleteAtEnd(lab, "crashing");
    await lab.up({ manifests: podManifest("crashing", { container: 'command: ["sh", "-c", "exit 3"]' }), wait: false });
    const held = await eventually(
      async () => container(await lab.pod("crashing")),
      (one) => one?.state?.waiting?.reason === "CrashLoopBackOff",
    );
    expect(held).toMatchObject({
      restartCount: 1,
      ready: false,
      lastState: { terminated: { exitCode: 3, reason: "Error" } },
    });
    expect(held?.state?.waiting?.message).toContain("back-off 10s");
    const again = await eventually(
      async () => container(await lab.pod("crashing")),
      // While it runs for the third time, its last end is still the second one.
      (one) => (one?.restartCount ?? 0) >= 2 && one?.state?.waiting !== undefined,
    );
    const [first, second] = [held, again].map((one) => Date.parse(one!.lastState!.terminated!.finishedAt!));
    expect(second! - first!).toBeGreaterThanOrEqual(9_000);
  });

  it("end as their restart policy says", async () => {
    const never = podManifest("failing", {
      container: 'command: ["sh", "-c", "exit 4"]',
      spec: "restartPolicy: Never",
    });
    const done = podManifest("done", { container: 'command: ["true"]', spec: "restartPolicy: OnFailure" });
    await lab.up({ manifests: never + done });
    expect((await lab.pod("failing"))?.status).toMatchObject({
      phase: "Failed",
      containerStatuses: [{ state: { terminated: { exitCode: 4 } } }],
    });
    expect((await lab.pod("done"))?.status).toMatchObject({
      phase: "Succeeded",
      containerStatuses: [{ state: { terminated: { reason: "Completed" } } }],
    });
  });

  it("say it when their command does not exist", async () => {
    using _nothing = deleteAtEnd(lab, "nothing");
    await lab.up({ manifests: podManifest("nothing", { container: 'command: ["/no/such/program"]' }), wait: false });
    const status = await eventually(
      async () => container(await lab.pod("nothing")),
      (one) => one?.state?.waiting?.reason === "CrashLoopBackOff",
    );
    expect(status?.state?.waiting?.message).toContain("/no/such/program: No such file or directory");
  });

  it("are refused before anything starts when their image is unknown", async () => {
    const manifests = podManifest("foreign", { container: "image: nginx" });
    await expect(lab.up({ manifests })).rejects.toThrow(/image "nginx" and no command: a lab runs echo and client/);
  });

  it("that no node takes say which nodes there are", async () => {
    using _picky = deleteAtEnd(lab, "picky");
    await lab.up({ manifests: podManifest("picky", { spec: "nodeSelector: { disk: ssd }" }), wait: false });
    const pod = await eventually(
      () => lab.pod("picky"),
      (one) => one?.status?.message !== undefined,
    );
    expect(pod?.status).toMatchObject({
      phase: "Pending",
      message: expect.stringContaining('none of 2 nodes fits: node selector {"disk":"ssd"}'),
    });
  });

  it("get SIGTERM, their time, and SIGKILL", async () => {
    const stubborn = podManifest("stubborn", {
      container: `command: ["sh", "-c", "trap 'echo asked' TERM; while :; do sleep 0.1; done"]`,
    });
    await lab.up({ manifests: stubborn + podManifest("polite") });
    // A grace period that nobody here waits out: only SIGTERM ends it in time.
    expect(lab.cli("delete", "pod", "polite", "--grace-period", "3600").status).toBe(0);
    await eventually(
      () => lab.pod("polite"),
      (pod) => pod === undefined,
    );
    const { uid } = (await lab.pod("stubborn"))!.metadata;
    const log = openSync(join(lab.paths.podsDir, `default_stubborn_${uid}`, "main", "log"), "r");
    expect(lab.cli("delete", "pod", "stubborn", "--grace-period", "3").status).toBe(0);
    await eventually(
      () => lab.pod("stubborn"),
      (pod) => pod === undefined,
    );
    // Its folder is gone with it, the open file is not.
    expect(readFileSync(log, "utf8")).toContain("asked");
    closeSync(log);
  });

  it("of a Deployment scale, and are replaced without a moment of too few", async () => {
    const find = async (): Promise<readonly KubePod[]> =>
      (await lab.list(resourceTypes.pods)).filter((pod) => pod.metadata.ownerReferences?.[0]?.name === "web");
    const ready = async (): Promise<number> => (await find()).filter((pod) => container(pod)?.ready === true).length;
    await lab.up({ manifests: deployment(4, "one") });
    expect(await ready()).toBe(4);
    const nodes = new Set((await find()).map((pod) => pod.spec.nodeName));
    expect(nodes).toEqual(new Set(["node-1", "node-2"]));
    await lab.up({ manifests: deployment(2, "one") });
    await eventually(find, (pods) => pods.length === 2);
    await lab.up({ manifests: deployment(2, "two"), wait: false });
    const isNew = (pods: readonly KubePod[]): boolean =>
      pods.length === 2 && pods.every((pod) => pod.metadata.labels?.version === "two");
    let fewest = 2;
    await eventually(async () => {
      fewest = Math.min(fewest, await ready());
      return find();
    }, isNew);
    expect(fewest).toBe(2);
    const status = (): Promise<KubeDeployment["status"]> =>
      lab.list(resourceTypes.deployments).then((all) => all[0]?.status);
    expect(await eventually(status, (one) => one?.readyReplicas === 2)).toMatchObject({
      replicas: 2,
      updatedReplicas: 2,
    });
  });

  it("find Services by name and by environment", async () => {
    const ip = (await lab.list(resourceTypes.services)).find(({ metadata }) => metadata.name === "web")!.spec
      .clusterIP!;
    expect(lab.exec("client", "cat", "/etc/hosts")).toContain(`${ip} web web.default web.default.svc`);
    await lab.up({ manifests: podManifest("late") });
    expect(lab.exec("late", "sh", "-c", "echo $WEB_SERVICE_HOST:$WEB_SERVICE_PORT")).toBe(`${ip}:80\n`);
  });

  it("and objects that leave the manifests leave the lab", async () => {
    expect(lab.cli("delete", "service", "nobody").stdout).toBe("service/nobody deleted\n");
    await eventually(
      () => slices("nobody"),
      (slice) => slice === undefined,
    );
    expect(lab.cli("delete", "service", "nobody").status).toBe(5);
    expect(lab.cli("delete", "deployment", "web").stdout).toBe("deployment.apps/web deleted\n");
    const owned = async (): Promise<number> =>
      (await lab.list(resourceTypes.pods)).filter((pod) => pod.metadata.ownerReferences?.[0]?.name === "web").length;
    await eventually(owned, (count) => count === 0);
  });
});

describe("what changes in a lab that runs", () => {
  let lab: TestLab;

  beforeAll(async () => {
    lab = await TestLab.start({ manifests: podManifest("client", { node: "node-1" }) });
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  it("a pod's labels in place, a pod's spec by a new pod", async () => {
    const uid = async (): Promise<string | undefined> => (await lab.pod("changing"))?.metadata.uid;
    await lab.up({ manifests: podManifest("changing", { labels: "app: one" }) });
    const first = await uid();
    await lab.up({ manifests: podManifest("changing", { labels: "app: two" }) });
    expect((await lab.pod("changing"))?.metadata.labels).toEqual({ app: "two" });
    expect(await uid()).toBe(first);
    await lab.up({ manifests: podManifest("changing", { labels: "app: two", container: "image: echo" }) });
    expect(await uid()).not.toBe(first);
    expect(container(await lab.pod("changing"))).toMatchObject({ ready: true, restartCount: 0 });
  });

  it("containers of one pod: one network, own processes", async () => {
    const two = `
---
apiVersion: v1
kind: Pod
metadata: { name: two }
spec:
  containers:
    - { name: server, image: echo }
    - { name: side, image: client }
`;
    await lab.up({ manifests: two });
    expect(lab.cli("exec", "two", "-c", "side", "--", "cts-lab", "http", "http://127.0.0.1:8080/").stdout).toMatch(
      /^two on/,
    );
    expect(lab.cli("exec", "two", "-c", "side", "--", "sh", "-c", "tr '\\0' ' ' </proc/1/cmdline").stdout).toContain(
      "cts-lab client",
    );
    expect(lab.cli("exec", "two", "-c", "none", "--", "true").stderr).toContain("it has server, side");
  });

  it("a pod of the host's network has its node's address and devices", async () => {
    await lab.up({
      manifests: podManifest("host", { node: "node-2", spec: "hostNetwork: true", container: "image: echo" }),
    });
    expect((await lab.pod("host"))?.status?.podIP).toBe("172.18.0.3");
    expect(lab.exec("host", "ls", "/sys/class/net").split("\n")).toEqual(expect.arrayContaining(["eth0", "lo"]));
    expect(lab.exec("node/node-1", "cts-lab", "http", "http://172.18.0.3:8080/")).toMatch(/^host on node-2/);
  });

  it("a node that is added takes pods, and takes them along when it goes", async () => {
    await lab.up({ nodes: 3, manifests: deployment(6, "one") });
    const nodes = async (): Promise<readonly string[]> =>
      (await lab.list(resourceTypes.pods))
        .filter((pod) => pod.metadata.ownerReferences !== undefined && pod.metadata.deletionTimestamp === undefined)
        .map((pod) => (container(pod)?.ready === true ? pod.spec.nodeName! : "none"));
    expect(new Set(await nodes())).toContain("node-3");
    expect(lab.cli("delete", "node", "node-3").status).toBe(0);
    const onTwo = await eventually(
      nodes,
      (all) => all.length === 6 && all.every((name) => ["node-1", "node-2"].includes(name)),
    );
    expect(onTwo).toHaveLength(6);
    await eventually(
      () => lab.cli("exec", "node/node-3", "--", "true").status,
      (status) => status === 5,
    );
  });

  it("a namespace takes along what is in it", async () => {
    const inShop = podManifest("web", { container: "image: echo" }).replace(
      "name: web",
      "name: web\n  namespace: shop",
    );
    await lab.up({ manifests: inShop });
    expect((await lab.pod("web", "shop"))?.status?.phase).toBe("Running");
    expect(lab.cli("delete", "namespace", "shop").stdout).toBe("namespace/shop deleted\n");
    await eventually(
      () => lab.pod("web", "shop"),
      (pod) => pod === undefined,
    );
    await eventually(
      async () => (await lab.list(resourceTypes.namespaces)).map(({ metadata }) => metadata.name),
      (names) => !names.includes("shop"),
    );
  });

  it("what is refused: fewer nodes than there are, another MTU, unknown kinds", async () => {
    await expect(lab.up({ nodes: 1 })).rejects.toThrow(/1 nodes are asked for, and 2 are described or run already/);
    expect(lab.cli("up", "--mtu", "9000").stderr).toContain("runs with MTU 1500; it cannot become 9000");
    expect(lab.cli("delete", "pdo", "x").stderr).toContain('did you mean "pod"?');
    expect(lab.cli("up", "--nodes", "0").status).toBe(2);
  });
});

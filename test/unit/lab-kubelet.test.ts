import { describe, expect, it } from "vitest";
import { containerEnvironment, expandReferences } from "../../src/lab/container-environment.js";
import { ContainerProbes } from "../../src/lab/container-probes.js";
import type { ContainerFacts } from "../../src/lab/container-process.js";
import { buildPodStatus, type ContainerView } from "../../src/lab/pod-status.js";
import type { NetworkProbe } from "../../src/lab/prober.js";
import { countExit, restartDelayMs, shouldRestart } from "../../src/lab/restart-policy.js";
import { containerCommand, problemOfContainer } from "../../src/lab/workload-images.js";
import type { Container, KubePod, KubeService, Probe, RestartPolicy } from "../../src/model/kubernetes.js";

describe("restarts", () => {
  it("are held back as the kubelet does: at once, 10 s, doubling to 5 min", () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8].map(restartDelayMs)).toEqual([
      0, 10_000, 20_000, 40_000, 80_000, 160_000, 300_000, 300_000,
    ]);
  });

  it("forget the past after ten minutes without an exit", () => {
    expect(countExit(5, 1_000)).toBe(6);
    expect(countExit(5, 600_000)).toBe(1);
  });

  it("follow the policy", () => {
    const outcomes = (policy: RestartPolicy): readonly boolean[] => [0, 1].map((code) => shouldRestart(policy, code));
    expect([outcomes("Always"), outcomes("OnFailure"), outcomes("Never")]).toEqual([
      [true, true],
      [false, true],
      [false, false],
    ]);
  });
});

describe("images", () => {
  const run = (container: Partial<Container>): ReturnType<typeof containerCommand> =>
    containerCommand({ name: "main", ...container });
  const argv = (container: Partial<Container>): readonly string[] => {
    const command = run(container);
    return command.kind === "command" ? command.argv.slice(1) : [command.message];
  };

  it("of the lab serve the ports of the manifest", () => {
    const ports = [{ containerPort: 80 }, { containerPort: 53, protocol: "UDP" as const }];
    expect(argv({ image: "echo", ports })).toEqual(["echo", "--tcp", "80", "--udp", "53"]);
    expect(argv({ image: "echo" })).toEqual(["echo"]);
    expect(argv({ image: "registry.example/lab/echo:1@sha256:00", args: ["--tcp", "1"] })).toEqual([
      "echo",
      "--tcp",
      "1",
    ]);
    expect(argv({ image: "client:latest" })).toEqual(["client"]);
  });

  it("give way to a command", () => {
    expect(run({ image: "nginx", command: ["sleep"], args: ["9"] })).toEqual({ kind: "command", argv: ["sleep", "9"] });
  });

  it("that are unknown are named", () => {
    expect(problemOfContainer({ name: "a", image: "nginx" })).toContain('container a has image "nginx" and no command');
    expect(problemOfContainer({ name: "b" })).toContain("container b has no image and no command");
    expect(problemOfContainer({ name: "c", image: "echo" })).toBeUndefined();
  });
});

const pod: KubePod = {
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web-0", namespace: "shop", uid: "u" },
  spec: { nodeName: "n1", containers: [{ name: "main" }] },
};

describe("the environment", () => {
  const service: KubeService = {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: "my-cart", namespace: "shop" },
    spec: {
      clusterIP: "10.96.0.9",
      ports: [
        { name: "web-ui", port: 80 },
        { name: "x", port: 81 },
      ],
    },
  };

  it("tells the pod, its Services, and what the manifest adds with references", () => {
    const container = {
      name: "main",
      env: [{ name: "URL", value: "http://$(MY_CART_SERVICE_HOST)/$(POD_NAME)" }, { name: "EMPTY" }],
    };
    const environment = containerEnvironment(container, {
      pod,
      podIps: ["10.0.0.1"],
      hostIp: "172.18.0.2",
      services: [service],
    });
    expect(environment).toMatchObject({
      HOSTNAME: "web-0",
      POD_IP: "10.0.0.1",
      NODE_NAME: "n1",
      MY_CART_SERVICE_PORT: "80",
      MY_CART_SERVICE_PORT_WEB_UI: "80",
      URL: "http://10.96.0.9/web-0",
      EMPTY: "",
    });
  });

  it("expands references as the kubelet does", () => {
    const variables = { A: "1" };
    expect(expandReferences("$(A) $$(A) $(B) $A $$ $", variables)).toBe("1 $(A) $(B) $A $ $");
  });
});

describe("a pod's status", () => {
  const running: ContainerFacts = {
    kind: "running",
    process: { pid: 1, startTime: "1" },
    restartCount: 0,
    exits: 0,
    startedAtMs: 1_000,
  };
  const exited = (exitCode: number): ContainerFacts => ({
    kind: "exited",
    restartCount: 1,
    exits: 1,
    startedAtMs: 1_000,
    exit: { exitCode, signal: 0, finishedAtMs: 2_000 },
  });
  const view = (facts: ContainerFacts, extra: Partial<ContainerView> = {}): ContainerView => ({
    name: "main",
    facts,
    isStarted: true,
    isReady: true,
    ...extra,
  });
  const build = (container: ContainerView, restartPolicy: RestartPolicy = "Always", before?: KubePod["status"]) =>
    buildPodStatus({
      pod: { ...pod, spec: { ...pod.spec, restartPolicy }, ...(before === undefined ? {} : { status: before }) },
      hostIps: ["172.18.0.2"],
      podIps: ["10.0.0.1"],
      containers: [container],
      now: new Date("2026-11-21T09:00:00Z"),
    });
  const ready = (status: ReturnType<typeof build>): string | undefined =>
    status.conditions?.find(({ type }) => type === "Ready")?.status;

  it("is pending, running, ready as its containers are", () => {
    expect(build(view({ kind: "never-started" })).phase).toBe("Pending");
    expect(build(view(running)).phase).toBe("Running");
    expect(ready(build(view(running)))).toBe("True");
    expect(ready(build(view(running, { isReady: false })))).toBe("False");
    expect(ready(build(view(running, { isStarted: false })))).toBe("False");
  });

  it("says what a restart waits for, and how the run before ended", () => {
    const [status] = build(view(exited(3), { backOffMs: 10_000 })).containerStatuses!;
    expect(status).toMatchObject({
      state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 10s restarting failed container main" } },
      lastState: { terminated: { exitCode: 3, reason: "Error", finishedAt: "1970-01-01T00:00:02Z" } },
    });
    expect(build(view(exited(3))).phase).toBe("Running");
  });

  it("ends where the policy ends it", () => {
    expect(build(view(exited(0)), "Never").phase).toBe("Succeeded");
    expect(build(view(exited(1)), "Never").phase).toBe("Failed");
    expect(build(view(exited(0)), "OnFailure").phase).toBe("Succeeded");
    expect(build(view(exited(1)), "OnFailure").phase).toBe("Running");
  });

  it("keeps the time of the last turn of a condition", () => {
    const then = "2020-01-01T00:00:00Z";
    const before = { conditions: [{ type: "Ready", status: "True" as const, lastTransitionTime: then }] };
    expect(
      build(view(running), "Always", before).conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime,
    ).toBe(then);
    const turned = build(view(running, { isReady: false }), "Always", before);
    expect(turned.conditions?.find(({ type }) => type === "Ready")?.lastTransitionTime).toBe("2026-11-21T09:00:00Z");
  });
});

describe("probes", () => {
  /** Answers probes from a list of outcomes, the last one for ever, and notes what was asked. */
  function start(probes: Partial<Container>, outcomes: readonly boolean[], was: { readonly ready?: boolean } = {}) {
    const asked: NetworkProbe[] = [];
    const dead: string[] = [];
    let wake: () => void = () => undefined;
    let count = 0;
    const next = () => {
      const isSuccess = outcomes[Math.min(count++, outcomes.length - 1)]!;
      return Promise.resolve({ isSuccess, message: isSuccess ? "" : "refused" });
    };
    const handle = new ContainerProbes({
      container: { name: "main", ports: [{ name: "http", containerPort: 8080 }], ...probes },
      podIp: "10.0.0.1",
      startedAtMs: 0,
      runner: {
        network: (probe) => {
          asked.push(probe);
          return next();
        },
        exec: next,
      },
      wasStarted: false,
      wasReady: was.ready ?? false,
      onChange: () => wake(),
      onDead: (kind) => {
        dead.push(kind);
        wake();
      },
    });
    const change = (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve;
      });
    return { handle, asked, dead, change };
  }
  /** A period of a millisecond, so that thresholds and not time decide. */
  const fast = (probe: Probe): Probe => ({ ...probe, periodSeconds: 0.001 });

  it("make a container ready at the success threshold, unready at the failure threshold", async () => {
    const readinessProbe = fast({
      httpGet: { path: "/ready", port: "http" },
      successThreshold: 2,
      failureThreshold: 2,
    });
    const { handle, asked, change } = start({ readinessProbe }, [true, false, true, true, false, false]);
    expect(handle.isReady).toBe(false);
    await change();
    expect([handle.isReady, asked.length]).toEqual([true, 4]);
    await change();
    expect([handle.isReady, asked.length, handle.lastFailure]).toEqual([false, 6, "refused"]);
    expect(asked[0]).toMatchObject({ kind: "http", address: "10.0.0.1", port: 8080, path: "/ready" });
    handle[Symbol.dispose]();
  });

  it("leave an adopted container ready until they fail", async () => {
    const { handle, change } = start(
      { readinessProbe: fast({ tcpSocket: { port: 1 }, failureThreshold: 3 }) },
      [true, false],
      { ready: true },
    );
    expect(handle.isReady).toBe(true);
    await change();
    expect(handle.isReady).toBe(false);
    handle[Symbol.dispose]();
  });

  it("of liveness end a container after as many failures in a row as the manifest says, default three", async () => {
    const { handle, asked, dead, change } = start({ livenessProbe: fast({ tcpSocket: { port: 1 } }) }, [
      true,
      false,
      false,
      true,
      false,
    ]);
    await change();
    expect([dead, asked.length]).toEqual([["liveness"], 7]);
    handle[Symbol.dispose]();
  });

  it("of startup come first, alone", async () => {
    const startupProbe = fast({ exec: { command: ["true"] } });
    const { handle, asked, change } = start({ startupProbe, livenessProbe: fast({ tcpSocket: { port: 1 } }) }, [
      false,
      false,
      true,
    ]);
    expect([handle.isStarted, asked.length]).toEqual([false, 0]);
    await change();
    expect([handle.isStarted, asked.length]).toEqual([true, 0]);
    handle[Symbol.dispose]();
  });

  it("of startup that never succeed end the container", async () => {
    const { handle, dead, change } = start(
      { startupProbe: fast({ exec: { command: ["false"] }, failureThreshold: 2 }) },
      [false],
    );
    await change();
    expect(dead).toEqual(["startup"]);
    handle[Symbol.dispose]();
  });
});

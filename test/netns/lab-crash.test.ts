import { spawn } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { cgroupTreeProcesses } from "../../src/lab/cgroup.js";
import { hasSupervisor } from "../../src/lab/lab-lock.js";
import { nodePaths } from "../../src/lab/lab-paths.js";
import { findNodeInit } from "../../src/lab/node-init.js";
import { readProcessFile } from "../../src/lab/process-table.js";
import { sleep } from "../../src/lib/time.js";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { commandLine, eventually, plainAgent, podManifest, TestLab, testLabName } from "./support/lab-fixture.js";

const manifests = [
  podManifest("server", { node: "node-2", container: "image: echo" }),
  podManifest("client", { node: "node-1" }),
].join("");

/** Starts `lab up` as a user would, in a process of its own that can be killed. */
function spawnUp(lab: TestLab): ReturnType<typeof spawn> {
  const path = join("/tmp", `${lab.name}.yaml`);
  writeFileSync(path, manifests);
  const [program = "", ...args] = commandLine;
  const agent = plainAgent.map((word) => `--agent-command=${word}`);
  return spawn(program, [...args, "lab", "up", "-f", path, "--name", lab.name, ...agent], { stdio: "ignore" });
}

async function killSupervisor(lab: TestLab): Promise<void> {
  const supervisor = readProcessFile(lab.paths.supervisorPid)!;
  process.kill(supervisor.pid, "SIGKILL");
  await eventually(
    () => hasSupervisor(lab.name),
    (runs) => !runs,
  );
}

function podPids(lab: TestLab): readonly string[] {
  return ["server", "client"].map((pod) => lab.exec(pod, "cat", "/proc/1/stat").split(" ")[21]!);
}

describe("after a kill -9", () => {
  it.each([80, 250, 400, 550, 700, 900, 1200, 1600])("of lab up after %i ms, down leaves nothing", async (delayMs) => {
    await using lab = new TestLab(testLabName());
    const up = spawnUp(lab);
    const ended = new Promise((resolve) => up.once("exit", resolve));
    await sleep(delayMs);
    up.kill("SIGKILL");
    await ended;
    await lab.down();
    expect(lab.isGone()).toBe(true);
    // Nothing that was on its way comes up later.
    await sleep(300);
    expect(lab.isGone()).toBe(true);
  });

  it.each([150, 450, 800, 1300])(
    "of everything of a lab that is %i ms old, the next up makes it whole",
    async (delayMs) => {
      await using lab = new TestLab(testLabName());
      const up = spawnUp(lab);
      const ended = new Promise((resolve) => up.once("exit", resolve));
      await sleep(delayMs);
      up.kill("SIGKILL");
      for (const pid of cgroupTreeProcesses(lab.paths.cgroup)) {
        try {
          process.kill(pid, "SIGKILL");
        } catch {
          // ended with another one
        }
      }
      await ended;
      await lab.up({ manifests });
      const address = (await lab.pod("server"))?.status?.podIP;
      expect(lab.exec("client", "cts-lab", "http", `http://${address}:8080/`)).toMatch(/^server on node-2/);
    },
  );

  it("of the supervisor, the next one adopts nodes, agents and pods without a restart", async () => {
    await using lab = await TestLab.start({ manifests });
    const before = {
      pods: podPids(lab),
      agent: readProcessFile(nodePaths(lab.paths, "node-1").agentPid),
      init: findNodeInit(nodePaths(lab.paths, "node-1")),
    };
    const versions = async (): Promise<readonly string[]> =>
      (await lab.list(resourceTypes.pods)).map(({ metadata, status }) => `${metadata.uid} ${status?.podIP}`).sort();
    const uids = await versions();
    for (let round = 0; round < 3; round++) {
      await killSupervisor(lab);
      expect(lab.cli("status").status).toBe(3);
      await lab.up();
    }
    expect(lab.cli("status").status).toBe(0);
    expect(podPids(lab)).toEqual(before.pods);
    expect(readProcessFile(nodePaths(lab.paths, "node-1").agentPid)).toEqual(before.agent);
    expect(findNodeInit(nodePaths(lab.paths, "node-1"))).toEqual(before.init);
    expect(await versions()).toEqual(uids);
  });

  it("of a pod while no supervisor runs, the next supervisor learns how it ended and restarts it", async () => {
    await using lab = await TestLab.start({ manifests });
    await killSupervisor(lab);
    lab.cli("exec", "server", "--", "sh", "-c", "kill -TERM 1");
    await lab.up();
    const status = (await lab.pod("server"))?.status?.containerStatuses?.[0];
    expect(status).toMatchObject({ restartCount: 1, lastState: { terminated: { exitCode: 143 } } });
  });

  it("of a pod's shim, the pod goes with it and comes back", async () => {
    await using lab = await TestLab.start({ manifests });
    const folder = (await lab.pod("server"))!.metadata;
    const pidFile = join(lab.paths.podsDir, `default_server_${folder.uid}`, "main", "pid.json");
    const { shimPid } = JSON.parse(readFileSync(pidFile, "utf8")) as { readonly shimPid: number };
    process.kill(shimPid, "SIGKILL");
    const restarted = await eventually(
      async () => (await lab.pod("server"))?.status?.containerStatuses?.[0],
      (status) => status?.restartCount === 1 && status.ready,
    );
    expect(restarted?.lastState?.terminated?.exitCode).toBe(137);
  });

  it("of an agent, a new one is started and pods can be attached again", async () => {
    await using lab = await TestLab.start({ manifests });
    const { agentPid } = nodePaths(lab.paths, "node-1");
    const agent = readProcessFile(agentPid)!;
    process.kill(agent.pid, "SIGKILL");
    await eventually(
      () => readProcessFile(agentPid),
      (now) => now !== undefined && now.pid !== agent.pid,
    );
    await lab.up({ manifests: podManifest("late", { node: "node-1" }) });
    expect((await lab.pod("late"))?.status?.podIP).toMatch(/^10\.244\.0\./);
  });

  it("of a node's first process, the node comes back with its pods", async () => {
    await using lab = await TestLab.start({ manifests });
    const before = findNodeInit(nodePaths(lab.paths, "node-2"))!;
    const macAddress = () => lab.cli("exec", "node/node-2", "--", "cat", "/sys/class/net/eth0/address").stdout;
    const macBefore = macAddress();
    expect(macBefore).toMatch(/^02:00:ac:12:/);
    process.kill(before.pid, "SIGKILL");
    await eventually(
      () => findNodeInit(nodePaths(lab.paths, "node-2")),
      (init) => init !== undefined && init.startTime !== before.startTime,
    );
    await eventually(
      () => lab.cli("status").status,
      (status) => status === 0,
    );
    const address = (await lab.pod("server"))?.status?.podIP;
    const answer = await eventually(
      () => lab.cli("exec", "client", "--", "cts-lab", "http", `http://${address}:8080/`),
      (result) => result.status === 0,
    );
    expect(answer.stdout).toMatch(/^server on node-2/);
    expect(macAddress()).toBe(macBefore);
  });
});

describe("a half-written lab", () => {
  it("is listed as broken, refused by name, and taken away by down", async () => {
    await using lab = await TestLab.start({ nodes: 1, manifests: podManifest("client") });
    const whole = readFileSync(lab.paths.record, "utf8");
    writeFileSync(lab.paths.record, whole.slice(0, whole.length / 2));
    await eventually(
      () => hasSupervisor(lab.name),
      (runs) => !runs,
    );
    const refused = lab.cli("status");
    expect(refused.status).toBe(5);
    expect(refused.stderr).toContain(`lab down --name ${lab.name}`);
    await lab.down();
    expect(lab.isGone()).toBe(true);
  });

  it("with nothing but a folder is swept by the next up", async () => {
    await using lab = new TestLab(testLabName());
    mkdirSync(join(lab.paths.root, "nodes/node-1"), { recursive: true });
    writeFileSync(lab.paths.record, '{"version":1,"name"');
    await lab.up({ nodes: 1 });
    expect(lab.cli("status").status).toBe(0);
  });
});

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nodePaths } from "../../src/lab/lab-paths.js";
import { labToolPath } from "../../src/lab/lab-tool.js";
import { findNodeInit } from "../../src/lab/node-init.js";
import { eventually, pictureHost, podManifest, TestLab } from "./support/lab-fixture.js";

const manifests = [
  podManifest("server-1", { node: "node-1", container: "image: echo" }),
  podManifest("server-2", { node: "node-2", container: "image: echo:1.0" }),
  podManifest("client", { node: "node-1" }),
].join("");

describe("a lab from up to down", () => {
  let lab: TestLab;
  const before = pictureHost();

  beforeAll(async () => {
    lab = await TestLab.start({ manifests });
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  it("gives every pod a process, an address of its node's prefix, and traffic across nodes", async () => {
    const addresses = await Promise.all(
      ["server-1", "server-2"].map(async (name) => (await lab.pod(name))?.status?.podIP),
    );
    expect(addresses[0]).toMatch(/^10\.244\.0\./);
    expect(addresses[1]).toMatch(/^10\.244\.1\./);
    expect(lab.exec("client", "cts-lab", "http", `http://${addresses[0]}:8080/`)).toMatch(/^server-1 on node-1/);
    expect(lab.exec("client", "cts-lab", "http", `http://${addresses[1]}:8080/json`)).toContain('"pod":"server-2"');
    expect(lab.exec("client", "cts-lab", "tcp", addresses[1]!, "9090", "hello")).toBe("server-2 hello\n");
    expect(lab.exec("client", "cts-lab", "udp", addresses[1]!, "9091", "hello")).toBe("server-2 hello\n");
  });

  it("shows a pod its own host name, devices and processes", () => {
    expect(lab.exec("client", "hostname").trim()).toBe("client");
    expect(lab.exec("client", "ls", "/sys/class/net").split("\n").filter(Boolean).sort()).toEqual(["eth0", "lo"]);
    expect(lab.exec("client", "cat", "/proc/1/comm").trim()).toBe("cts-lab");
    expect(lab.exec("client", "sh", "-c", "echo $POD_NAME $NODE_NAME")).toBe("client node-1\n");
  });

  it("gives a node its own host name, bpffs, cgroup root, /run and pids", () => {
    expect(lab.exec("node/node-1", "hostname").trim()).toBe("node-1");
    expect(lab.exec("node/node-1", "stat", "-f", "-c", "%T", "/sys/fs/bpf").trim()).toBe("bpf_fs");
    expect(lab.exec("node/node-1", "ls", "/sys/fs/cgroup").split("\n")).toEqual(
      expect.arrayContaining(["agent", "pods"]),
    );
    expect(lab.exec("node/node-1", "ls", "/run").split("\n").filter(Boolean).sort()).toEqual([
      "cilium-ts",
      "cts-lab",
      "netns",
    ]);
    const commands = lab.exec("node/node-1", "sh", "-c", "cat /proc/[0-9]*/comm");
    expect(commands.split("\n")).toContain("cts-lab-init");
    expect(commands).not.toContain("systemd");
    const { pid } = findNodeInit(nodePaths(lab.paths, "node-1"))!;
    expect(existsSync(`/proc/${pid}/root/run/cilium-ts/agent.sock`)).toBe(true);
  });

  it("writes a record that readers of a lab can use without its code", () => {
    const record = JSON.parse(readFileSync(lab.paths.record, "utf8")) as {
      readonly nodes: readonly Record<string, unknown>[];
    };
    expect(record.nodes).toHaveLength(2);
    expect(record.nodes[0]).toMatchObject({ name: "node-1", internalIp: "172.18.0.2", podCidr: "10.244.0.0/24" });
    expect(record.nodes[0]!.initPid).toBe(findNodeInit(nodePaths(lab.paths, "node-1"))!.pid);
  });

  it("lets exec end as the command ends", () => {
    expect(lab.cli("exec", "client", "--", "sh", "-c", "exit 7").status).toBe(7);
    expect(lab.cli("exec", "client", "--", "sh", "-c", "kill -TERM $$").status).toBe(143);
    expect(lab.cli("exec", "client", "--", "no-such-program").status).toBe(127);
    const unknown = lab.cli("exec", "clinet", "--", "true");
    expect(unknown.status).toBe(5);
    expect(unknown.stderr).toContain('did you mean "client"?');
  });

  it("passes stdin, stdout and stderr of an exec apart from one another", () => {
    const [program = "", ...args] = [process.execPath, join(import.meta.dirname, "../../bin/kubectl-cilium_ts")];
    const command = ["lab", "exec", "client", "--name", lab.name, "--", "sh", "-c", "cat; echo no >&2"];
    expect(
      execFileSync(program, [...args, ...command], { input: "typed", stdio: ["pipe", "pipe", "ignore"] }).toString(),
    ).toBe("typed");
  });

  it("leaves nothing behind, and the machine as it was", async () => {
    await lab.down();
    expect(lab.isGone()).toBe(true);
    expect(readdirSync("/run/netns").filter((name) => name.startsWith(`ctslab-${lab.name}.`))).toEqual([]);
    expect(pictureHost()).toEqual(before);
    expect(lab.cli("status").status).toBe(5);
    expect(lab.cli("down").stdout).toContain("nothing to remove");
  });
});

describe("labs side by side", () => {
  it("lets a lab go without its neighbour whose name begins alike", async () => {
    await using short = await TestLab.start({ manifests: podManifest("client") });
    await using long = await TestLab.start({ name: `${short.name}-a`, manifests: podManifest("client") });
    await using digit = await TestLab.start({ name: `${short.name}0`, nodes: 1 });
    const pid = (lab: TestLab): string => lab.exec("client", "cat", "/proc/sys/kernel/random/boot_id", "/proc/1/stat");
    const alive = pid(long);
    await short.down();
    expect(short.isGone()).toBe(true);
    expect(pid(long).split(" ")[21]).toBe(alive.split(" ")[21]);
    expect(digit.cli("status").status).toBe(0);
    // The same addresses in both: labs do not see one another.
    expect((await long.pod("client"))?.status?.podIP).toMatch(/^10\.244\.0\./);
  });
});

describe("what is not the lab's", () => {
  let foreign: ChildProcess | undefined;
  // Names that resemble a lab's as closely as a foreign one can.
  const names = (lab: string): readonly string[] => [`cts-t-${lab}`, `ctslab-${lab}`, `ctslab-${lab}x.node.node-1`];

  afterAll(() => void foreign?.kill("SIGKILL"));

  it("is left alone by down: namespaces, processes, cgroups", async () => {
    await using lab = await TestLab.start({ nodes: 1 });
    const netns = names(lab.name);
    execFileSync(labToolPath, ["netns", "add", ...netns]);
    try {
      foreign = spawn("ip", ["netns", "exec", `ctslab-${lab.name}.node.node-1`, "sleep", "1000"], { stdio: "ignore" });
      await eventually(
        () => readFileSync(`/proc/${foreign!.pid}/comm`, "utf8"),
        (name) => name === "sleep\n",
      );
      await lab.down();
      expect(readdirSync("/run/netns")).toEqual(expect.arrayContaining([...netns]));
      expect(foreign.exitCode).toBe(null);
      expect(existsSync(`/proc/${foreign.pid}`)).toBe(true);
    } finally {
      execFileSync(labToolPath, ["netns", "del", ...netns]);
    }
  });
});

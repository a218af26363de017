import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { NotFoundError, UsageError } from "../../src/lib/errors.js";
import type { LabRecord } from "../../src/model/lab-record.js";
import { findLab, isNodeAlive, listLabs, listRunningLabs, processStartTime } from "../../src/session/lab-directory.js";
import { resolveTarget } from "../../src/session/resolve-target.js";

let labsRoot: string;
beforeEach(() => {
  labsRoot = mkdtempSync(join(tmpdir(), "cts-t-labs-"));
});
afterEach(() => rmSync(labsRoot, { recursive: true, force: true }));

const startTime = readFileSync("/proc/self/stat", "utf8").split(") ")[1]!.split(" ")[19]!;

function writeLab(
  name: string,
  options: { readonly startTime?: string; readonly nodes?: readonly string[] } = {},
): LabRecord {
  const record: LabRecord = {
    version: 1,
    name,
    stateDir: join(labsRoot, name, "state"),
    nodes: (options.nodes ?? ["node-1", "node-2"]).map((node, index) => ({
      name: node,
      internalIp: `172.18.0.${2 + index}`,
      podCidr: `10.244.${index}.0/24`,
      initPid: process.pid,
      initStartTime: options.startTime ?? startTime,
      runDir: join(labsRoot, name, "nodes", node, "run"),
      cgroupPath: "/sys/fs/cgroup/none",
      netns: `ctslab-${name}-${node}`,
    })),
  };
  mkdirSync(join(labsRoot, name));
  writeFileSync(join(labsRoot, name, "lab.json"), JSON.stringify(record));
  return record;
}

describe("labs on disk", () => {
  test("no folder at all is no lab", async () => {
    expect(await listLabs(join(labsRoot, "none"))).toEqual([]);
  });

  test("half-written and foreign records are left out", async () => {
    writeLab("whole");
    mkdirSync(join(labsRoot, "being-made"));
    mkdirSync(join(labsRoot, "torn"));
    writeFileSync(join(labsRoot, "torn", "lab.json"), '{"version":1,"name":"to');
    mkdirSync(join(labsRoot, "newer"));
    writeFileSync(join(labsRoot, "newer", "lab.json"), JSON.stringify({ version: 2, name: "newer" }));
    expect((await listLabs(labsRoot)).map((lab) => lab.name)).toEqual(["whole"]);
  });

  test("a pid that was given to another process is no running node", async () => {
    const lab = writeLab("stale", { startTime: "1" });
    expect(await isNodeAlive(lab.nodes[0]!)).toBe(false);
    expect(await listRunningLabs(labsRoot)).toEqual([]);
  });

  test("the start time survives a command name with spaces and parentheses", async () => {
    expect(await processStartTime(process.pid)).toBe(startTime);
    expect(await processStartTime(2 ** 22 + 1)).toBeUndefined();
  });

  test("an unknown lab names its neighbour and the known ones", async () => {
    writeLab("demo");
    const error = await findLab("dmeo", labsRoot).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(NotFoundError);
    expect((error as NotFoundError).message).toContain('did you mean "demo"?');
    expect((error as NotFoundError).nextSteps).toEqual(["use one of: demo"]);
  });
});

describe("resolveTarget", () => {
  const codeOf = async (selection: Parameters<typeof resolveTarget>[0]) => {
    const error = await resolveTarget({ labsRoot, ...selection }).catch((thrown: unknown) => thrown);
    return error instanceof UsageError || error instanceof NotFoundError ? error.code : error;
  };

  test("the only lab that runs is the default", async () => {
    writeLab("stopped", { startTime: "1" });
    writeLab("demo");
    const target = await resolveTarget({ labsRoot });
    expect(target).toMatchObject({ kind: "lab", description: 'lab "demo"' });
    expect(target.nodes.map((node) => node.name)).toEqual(["node-1", "node-2"]);
  });

  test("several labs: which one is for the user to say", async () => {
    writeLab("a");
    writeLab("b");
    const error = await resolveTarget({ labsRoot }).catch((thrown: unknown) => thrown);
    expect(error).toBeInstanceOf(UsageError);
    expect((error as UsageError).nextSteps).toEqual(["add --lab a", "add --lab b"]);
  });

  test("no lab and no --local: what to do", async () => {
    expect(await codeOf({})).toBe("no-target");
  });

  test("--local is this machine", async () => {
    const target = await resolveTarget({ isLocal: true });
    expect(target).toMatchObject({ kind: "local", agentSocket: "/run/cilium-ts/agent.sock" });
    expect(target.nodes.map((node) => node.name)).toEqual([hostname()]);
  });

  test("--lab and --local exclude each other", async () => {
    expect(await codeOf({ lab: "demo", isLocal: true })).toBe("target-conflict");
  });

  test("--node narrows, in the order given", async () => {
    writeLab("demo");
    const target = await resolveTarget({ labsRoot, nodes: ["node-2"] });
    expect(target.nodes.map((node) => node.name)).toEqual(["node-2"]);
    expect(await codeOf({ nodes: ["node-9"] })).toBe("node-unknown");
  });

  test("a node whose pid 1 has ended cannot be opened", async () => {
    writeLab("demo", { startTime: "1" });
    const { nodes } = await resolveTarget({ labsRoot, lab: "demo" });
    await expect(nodes[0]!.open({ signal: new AbortController().signal })).rejects.toThrow("node-1 of the lab is gone");
  });
});

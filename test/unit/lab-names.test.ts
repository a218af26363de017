import { describe, expect, it } from "vitest";
import { findCgroupMount } from "../../src/lab/cgroup.js";
import {
  checkNodeName,
  fabricNetns,
  labOfNetns,
  nodeNetns,
  nodeOfNetns,
  parseLabName,
  podNetns,
  podUidOfNetns,
} from "../../src/lab/lab-name.js";
import { labPaths, nodePaths } from "../../src/lab/lab-paths.js";
import { formatPodRef, parsePodRef } from "../../src/lab/pod-ref.js";
import { UsageError } from "../../src/lib/errors.js";

describe("names of a lab's kernel objects", () => {
  it("tell whose they are, also where one lab's name begins another's", () => {
    const labs = ["a", "a-b", "ab", "a0", "a-b-c"];
    for (const lab of labs) {
      for (const name of [fabricNetns(lab), nodeNetns(lab, "b-node"), nodeNetns(lab, "x.y"), podNetns(lab, "u-1")])
        expect(labs.filter((other) => labOfNetns(name) === other)).toEqual([lab]);
    }
  });

  it("do not claim what only looks alike", () => {
    for (const foreign of [
      "ctslab-",
      "ctslab-a",
      "ctslab-.node.b",
      "ctslab-A.node.b",
      "xctslab-a.fabric",
      "cni-1234",
      "ctslab--a.fabric",
    ])
      expect(labOfNetns(foreign)).toBe(undefined);
  });

  it("give node and pod back", () => {
    expect(nodeOfNetns("a", nodeNetns("a", "node-1.example"))).toBe("node-1.example");
    expect(nodeOfNetns("a", podNetns("a", "node-1"))).toBe(undefined);
    expect(podUidOfNetns("a", podNetns("a", "4711"))).toBe("4711");
    expect(podUidOfNetns("a", podNetns("a-b", "4711"))).toBe(undefined);
  });

  it.each(["", "A", "a_b", "-a", "a-", "a.b", "a/b", "..", "x".repeat(21)])("refuse %j as a lab's name", (name) => {
    expect(() => parseLabName(name)).toThrow(UsageError);
  });

  it.each(["", "Node", "n_1", "-n", "n/1", "_supervisor", "n".repeat(41)])("refuse %j as a node's name", (name) => {
    expect(() => checkNodeName(name)).toThrow(UsageError);
  });

  it("leave room for the agent's socket in a unix address", () => {
    const { agentSocket } = nodePaths(labPaths("l".repeat(20), "/sys/fs/cgroup"), "n".repeat(40));
    expect(agentSocket.length).toBeLessThan(108);
  });
});

describe("a pod's reference", () => {
  it("survives the way to a folder's name and back", () => {
    const ref = { namespace: "shop", name: "cart-0.x", uid: "b3a147e5-9fdb-46d1-8df7-445c3f39a530" };
    expect(parsePodRef(formatPodRef(ref))).toEqual(ref);
  });

  it.each(["", "a", "a_b", "a_b_c_d", "__"])("is not read from %j", (text) => {
    expect(parsePodRef(text)).toBe(undefined);
  });
});

describe("the mount of cgroup2", () => {
  const unified = "41 31 0:38 / /sys/fs/cgroup rw,relatime shared:9 - cgroup2 cgroup2 rw";
  const hybrid =
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n40 31 0:37 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 none rw";

  it("is found in a unified and in a hybrid tree", () => {
    expect(findCgroupMount(unified)).toBe("/sys/fs/cgroup");
    expect(findCgroupMount(hybrid)).toBe("/sys/fs/cgroup/unified");
  });

  it("is not a bind mount of a branch", () => {
    const branch = "50 31 0:38 /some/pod /mnt/cg rw - cgroup2 none rw";
    expect(findCgroupMount(`${branch}\n${unified}`)).toBe("/sys/fs/cgroup");
    expect(() => findCgroupMount(branch)).toThrow(/no cgroup2 tree is mounted/);
  });
});

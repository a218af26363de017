import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { MapNode } from "../support/map-node.js";
import { cliPath, runCli } from "../support/run-cli.js";

let node: MapNode;
beforeEach(async () => {
  node = await MapNode.start();
});
afterEach(() => node[Symbol.dispose]());

const run = (...args: readonly string[]) => runCli([...args, "--lab", node.lab]);

describe("maps of another layout", () => {
  test("a map of the right name and another value size is refused with what was found", async () => {
    node.pin("cilium_lxc", { type: "hash", keySizeBytes: 20, valueSizeBytes: 40, maxEntries: 16 });
    const { exitCode, stdout, stderr } = await run("bpf", "endpoint", "list");
    expect({ exitCode, stdout }).toEqual({ exitCode: 6, stdout: "" });
    expect(stderr).toContain("cilium_lxc has values of 40 bytes instead of 48");
    expect(stderr).toContain("bpf map list");
  });

  test("evidence is the node's, not the map's: with policy maps of 1.17, conntrack is read as that release has it", async () => {
    const ct = node.pin("cilium_ct4_global", {
      type: "lru_hash",
      keySizeBytes: 14,
      valueSizeBytes: 56,
      maxEntries: 16,
    });
    node.pin("cilium_policy_v2_00042", {
      type: "lpm_trie",
      keySizeBytes: 12,
      valueSizeBytes: 24,
      maxEntries: 16,
      flags: 1,
    });
    const key = Buffer.alloc(14);
    key.set([10, 0, 0, 1, 10, 0, 0, 2, 0, 80, 0x9c, 0x40, 6, 0]);
    const value = Buffer.alloc(56);
    value.writeUInt16LE(7, 40);
    ct.update(key, value);
    const { exitCode, stdout, stderr } = await run("bpf", "ct", "list", "-o", "cilium", "-v");
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^TCP OUT 10\.0\.0\.1:40000 -> 10\.0\.0\.2:80 expires=0 .* IfIndex=7 BackendID=0 \n/);
    expect(stderr).toContain("read as release 1.17");
    expect(stderr).toContain("cilium_policy_v2_NNNNN is a lpm_trie of 12 and 24 bytes: 1.17");
  });

  test("a release that the user names is taken, but maps of other sizes are still refused", async () => {
    node.pin("cilium_lxc", { type: "hash", keySizeBytes: 20, valueSizeBytes: 48, maxEntries: 16 });
    node.pin("cilium_ipcache_v2", {
      type: "lpm_trie",
      keySizeBytes: 24,
      valueSizeBytes: 24,
      maxEntries: 16,
      flags: 1,
    });
    const taken = await run("bpf", "endpoint", "list", "--release", "1.16", "-v");
    expect(taken.stderr).toContain("read as release 1.16");
    expect(taken.exitCode).toBe(0);
    const refused = await run("bpf", "ipcache", "list", "--release", "1.16");
    expect(refused.exitCode).toBe(6);
    expect(refused.stderr).toContain("cilium_ipcache_v2 is no map of that release");
    const unknown = await run("bpf", "endpoint", "list", "--release", "1.12");
    expect(unknown.exitCode).toBe(2);
    expect(unknown.stderr).toContain("1.14");
  });

  test("a field that lies differently in the releases that remain is null, and the status says which", async () => {
    const lxc = node.pin("cilium_lxc", { type: "hash", keySizeBytes: 20, valueSizeBytes: 48, maxEntries: 16 });
    node.pin("cilium_policy_00042", {
      type: "lpm_trie",
      keySizeBytes: 12,
      valueSizeBytes: 24,
      maxEntries: 16,
      flags: 1,
    });
    const ipcache = { type: "lpm_trie", keySizeBytes: 24, valueSizeBytes: 12, maxEntries: 16, flags: 1 } as const;
    const prefixes = node.pin("cilium_ipcache", ipcache);
    const key = Buffer.alloc(20);
    key.set([10, 0, 0, 1]);
    key[16] = 1;
    lxc.update(key, Buffer.alloc(48));
    prefixes.update(Buffer.from("4000000000000001".padEnd(48, "0"), "hex"), Buffer.from("07".padEnd(24, "0"), "hex"));
    const list = JSON.parse((await run("bpf", "endpoint", "list", "-o", "json")).stdout);
    expect(list.status.nodes[0].release.releases).toEqual(["1.14", "1.15", "1.16"]);
    expect(list.items[0].clusterId).toBeNull();
    expect(list.status.notes).toEqual(["unknown in cilium_lxc: clusterId"]);
    const wide = await run("bpf", "endpoint", "list", "-o", "wide", "--no-headers");
    expect(wide.stdout).toMatch(/ \?\n$/);
    const found = await run("bpf", "ipcache", "get", "0.0.0.0", "-o", "jsonpath={.items[0].identity}");
    expect(found.stdout).toBe("7");
  });

  test("conntrack fields that differ are null and ?, and upstream's format is the newest candidate's", async () => {
    const shape = { type: "lru_hash", keySizeBytes: 14, valueSizeBytes: 56, maxEntries: 16 } as const;
    const ct = node.pin("cilium_ct4_global", shape);
    ct.update(Buffer.from("0a0000010a00000200509c400600", "hex"), Buffer.alloc(56, 1));
    const list = JSON.parse((await run("bpf", "ct", "list", "-o", "json")).stdout);
    const { releases } = list.status.nodes[0].release;
    expect([releases[0], releases.at(-1)]).toEqual(["1.14", "1.20"]);
    const differing = { rxPackets: null, rxBytes: null, backendId: null, natPort: null, interfaceIndex: null };
    expect(list.items).toMatchObject([differing]);
    expect(list.status.notes[0]).toBe(
      `unknown in cilium_ct4_global: natPort, interfaceIndex, rxPackets, rxBytes, backendId`,
    );
    const wide = await run("bpf", "ct", "list", "-o", "wide", "--no-headers");
    expect(wide.stdout).toMatch(/ \? +0x01 +0x01 /);
    const args = ["bpf", "ct", "list", "-o", "cilium", "--sort-by", "source"];
    const [open, newest] = await Promise.all([run(...args), run(...args, "--release", "1.20")]);
    expect(open.stdout).toBe(newest.stdout);
    expect(open.stdout).toMatch(/ BackendID=72340172838076673 NatPort=257 \n/);
  });

  test("whatever the layout, bpf map list shows it", async () => {
    node.pin("cilium_lxc", { type: "hash", keySizeBytes: 20, valueSizeBytes: 40, maxEntries: 16 });
    const { exitCode, stdout } = await run("bpf", "map", "list", "-o", "json");
    expect(exitCode).toBe(0);
    expect(JSON.parse(stdout).items).toMatchObject([{ name: "cilium_lxc", valueSizeBytes: 40, entries: 0 }]);
  });

  test("bpf tunnel list reads the tunnel map of releases up to 1.17", async () => {
    const map = node.pin("cilium_tunnel_map", { type: "hash", keySizeBytes: 20, valueSizeBytes: 20, maxEntries: 16 });
    const key = Buffer.alloc(20);
    key.set([10, 0, 1, 0]);
    key[16] = 1;
    const value = Buffer.alloc(20);
    value.set([172, 18, 0, 3]);
    value[16] = 1;
    map.update(key, value);
    const table = await run("bpf", "tunnel", "list");
    expect(table.stdout).toBe("TUNNEL     VALUE\n10.0.1.0   172.18.0.3:0\n");
    const wide = await run("bpf", "tunnel", "list", "-o", "wide", "--no-headers");
    expect(wide.stdout).toContain("tunnel-map");
  });

  test("a node without any pin says what is missing and where it was looked for", async () => {
    const { exitCode, stderr } = await run("bpf", "metrics", "list");
    expect(exitCode).toBe(6);
    expect(stderr).toMatch(/map cilium_metrics is not pinned in .*\/tc\/globals on node node-1/);
  });

  test("a node whose pid 1 has ended is missing, by name", async () => {
    process.kill(node.pid, "SIGKILL");
    await node.untilGone();
    const { exitCode, stderr } = await run("bpf", "metrics", "list");
    expect(exitCode).toBe(7);
    expect(stderr).toContain("node node-1 of the lab is gone");
  });

  test("an unknown node names the known ones", async () => {
    const { exitCode, stderr } = await run("bpf", "metrics", "list", "--node", "node-2");
    expect(exitCode).toBe(5);
    expect(stderr).toContain('has no node "node-2": did you mean "node-1"?');
  });
});

describe("a machine that is not as it should be", () => {
  /** In a mount namespace of its own, prepared by `setup`. */
  const runPrepared = (setup: string, ...args: readonly string[]) =>
    runCli(["--mount", "sh", "-c", `${setup}; exec "$0" "$@"`, cliPath, ...args], { program: "unshare" });

  test("no BPF file system: says where none is mounted and how to mount one", async () => {
    const { exitCode, stderr } = await runPrepared("umount -a -t bpf", "bpf", "ct", "list", "--local");
    expect(exitCode).toBe(6);
    expect(stderr).toContain("no BPF file system is mounted on /sys/fs/bpf");
    expect(stderr).toContain("Next: mount -t bpf bpf /sys/fs/bpf");
  });

  test("another file system in its place is none", async () => {
    const { exitCode, stderr } = await runPrepared(
      "mount -t tmpfs none /sys/fs/bpf",
      "bpf",
      "metrics",
      "list",
      "--local",
    );
    expect(exitCode).toBe(6);
    expect(stderr).toContain("no BPF file system is mounted");
  });

  test("without root: what was refused, and to run it as root", async () => {
    const nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", cliPath];
    const { exitCode, stdout, stderr } = await runCli([...nobody, "bpf", "ct", "list", "--lab", node.lab], {
      program: "setpriv",
    });
    expect({ exitCode, stdout }).toEqual({ exitCode: 6, stdout: "" });
    expect(stderr).toContain("EACCES");
    expect(stderr).toContain("Next: run the command as root");
  });

  test("without root status does not call agents down and packets none: it may not look", async () => {
    const nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", cliPath];
    mkdirSync(join(node.runDir), { recursive: true, mode: 0o700 });
    const { exitCode, stdout, stderr } = await runCli([...nobody, "status", "--lab", node.lab], { program: "setpriv" });
    expect({ exitCode, stdout }).toEqual({ exitCode: 6, stdout: "" });
    expect(stderr).toContain("EACCES");
    expect(stderr).toContain("Next: run the command as root");
  });

  test("without BPF rights: which are missing", async () => {
    node.pin("cilium_metrics", { type: "percpu_hash", keySizeBytes: 8, valueSizeBytes: 16, maxEntries: 16 });
    const { exitCode, stderr } = await runCli(["--bounding-set", "-bpf,-sys_admin", cliPath, "features", "--local"], {
      program: "setpriv",
    });
    expect(exitCode).toBe(6);
    expect(stderr).toContain("CAP_BPF");
  });
});

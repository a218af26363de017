import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { startCaptureNode } from "../support/capture-node.js";
import type { MapNode } from "../support/map-node.js";
import { runCli } from "../support/run-cli.js";

let node: MapNode;
beforeAll(async () => {
  node = await startCaptureNode();
});
afterAll(() => node[Symbol.dispose]());

const run = (...args: readonly string[]) => runCli([...args, "--lab", node.lab]);

function sortedLines(text: string): readonly string[] {
  return text.split("\n").sort();
}

describe("the maps of a real upstream node, read through the kernel by the binary", () => {
  const files: readonly (readonly [command: string, file: string])[] = [
    ["bpf lb list", "bpf-lb-list"],
    ["service list", "service-list"],
    ["bpf lb list --frontends", "bpf-lb-list-frontends"],
    ["bpf lb list --backends", "bpf-lb-list-backends"],
    ["bpf lb list --revnat", "bpf-lb-list-revnat"],
    ["bpf lb list --source-ranges", "bpf-lb-list-source-ranges"],
    ["bpf lb maglev list", "bpf-lb-maglev-list"],
    ["bpf lb maglev get 15", "bpf-lb-maglev-list"],
    ["bpf ipcache list", "bpf-ipcache-list"],
    ["bpf endpoint list", "bpf-endpoint-list"],
    ["bpf nodeid list", "bpf-nodeid-list"],
  ];

  test.each(files)("%s -o cilium prints upstream's lines, blanks included", async (command, file) => {
    const { exitCode, stdout, stderr } = await run(...command.split(" "), "-o", "cilium");
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(sortedLines(stdout)).toEqual(sortedLines(node.captureOutput(`${file}.txt`)));
  });

  test.each(files.filter(([, file]) => file !== "bpf-nodeid-list" && file !== "service-list"))(
    "%s -o cilium-json prints upstream's bytes",
    async (command, file) => {
      const { stdout } = await run(...command.split(" "), "-o", "cilium-json");
      expect(stdout).toBe(node.captureOutput(`${file}.json`));
    },
  );

  test("service list -o cilium-json has all of upstream's but the names, which no map holds", async () => {
    const nameless = (text: string): readonly string[] =>
      text
        .split("\n")
        .filter((line) => !/^\s*"(name|namespace|nodeName|zone)": /.test(line))
        .map((line) => line.replace(/,$/, ""))
        .sort();
    const { stdout } = await run("service", "list", "-o", "cilium-json");
    expect(nameless(stdout)).toEqual(nameless(node.captureOutput("service-list.json")));
  });

  const goldens: readonly string[] = [
    "bpf lb list",
    "bpf lb list --backends",
    "bpf lb list --revnat",
    "bpf lb list --source-ranges",
    "bpf lb affinity list --now 2709",
    "bpf lb affinity-match list",
    "bpf socknat list",
    "bpf ipcache list",
    "bpf endpoint list",
    "bpf tunnel list",
    "bpf metrics list",
    "bpf map list",
    "bpf policy list",
    "service list",
    "identity list",
  ];
  test.each(goldens)("%s prints the same table, wide table and json as ever", async (command) => {
    for (const output of ["table", "wide", "json"]) {
      const { exitCode, stdout, stderr } = await run(...command.split(" "), "-o", output);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      const file = `__snapshots__/captures/${command.replaceAll(/ (?:--)?/g, "-")}.${output}.txt`;
      await expect(withoutEvidence(stdout)).toMatchFileSnapshot(file);
    }
  });

  test("bpf ct list global -o cilium has every entry that both readings have", async () => {
    const { exitCode, stdout } = await run("bpf", "ct", "list", "global", "-o", "cilium");
    const ours = new Set(stdout.split("\n"));
    const theirs = node.captureOutput("bpf-ct-list-global.txt").split("\n");
    // The maps went on changing between upstream's print and the capture of the bytes.
    const common = theirs.filter((line) => ours.has(line)).length;
    expect(exitCode).toBe(0);
    expect(common / theirs.length).toBeGreaterThan(0.9);
  });

  test("bpf ct list -d prints what it printed on the captured machine, by the clock of then", async () => {
    const uptime = node.captureOutput("ct-list-d.uptime.txt").split(" ")[0]!;
    const { exitCode, stdout } = await run("bpf", "ct", "list", "-d", "-o", "cilium", "--now", uptime);
    expect(exitCode).toBe(0);
    // The maps went on changing: what both have is told by all but the time that remains.
    const timeless = (line: string): string => line.replace(/ \(remaining: -?\d+ sec\(s\)\)/, "");
    const ours = new Map(stdout.split("\n").map((line) => [timeless(line), line]));
    const theirs = node.captureOutput("bpf-ct-list-global-d.txt").split("\n");
    const common = theirs.filter((line) => ours.has(timeless(line)));
    expect(common.length / theirs.length).toBeGreaterThan(0.8);
    expect(common.map((line) => ours.get(timeless(line)))).toEqual(common);
  });

  test("bpf nat list prints what it printed on the captured machine, by the clock of then", async () => {
    const uptime = node.captureOutput("ct-list-d.uptime.txt").split(" ")[0]!;
    const { exitCode, stdout } = await run("bpf", "nat", "list", "-o", "cilium", "--now", uptime);
    expect(exitCode).toBe(0);
    expect(sortedLines(stdout)).toEqual(sortedLines(node.captureOutput("bpf-nat-list.txt")));
  });

  test("a clock of jiffies is asked for in upstream's words too", async () => {
    const args = ["bpf", "ct", "list", "-d", "-o", "cilium", "--now", "2709.7", "--limit", "1"];
    const ours = await run(...args, "--clock", "jiffies", "--clock-hz", "100");
    const theirs = await run(...args, "--time-diff-clocksource-mode", "jiffies", "--time-diff-clocksource-hz", "100");
    expect(theirs).toEqual(ours);
    const [, expires, remaining] = /expires=(\d+) \(remaining: (-?\d+) /.exec(ours.stdout)!.map(Number);
    const nowUnits = Math.floor((2 ** 32 - 300 * 100 + 2709 * 100) / 256);
    expect(remaining).toBe(Math.floor((expires! * 256) / 100) - Math.floor((nowUnits * 256) / 100));
  });

  test.each(["table", "wide", "name"])(
    "-o %s without a row says whether there was nothing, or nothing that fits",
    async (output) => {
      const unmatched = await run("bpf", "ct", "list", "--pod", "192.0.2.1", "-o", output);
      expect([unmatched.exitCode, unmatched.stderr]).toEqual([
        0,
        expect.stringMatching(/^no entry matches the filters\n/),
      ]);
      const nothing = await run("endpoint", "list", "-o", output);
      expect([nothing.exitCode, nothing.stderr]).toEqual([0, expect.stringMatching(/^there are no entries\n/)]);
    },
  );

  test("reading leaves a foreign node's maps as they were, byte for byte", async () => {
    const before = dumpAll(node);
    const commands = [...files.map(([command]) => command), "bpf ct list", "bpf metrics list", "bpf policy list"];
    for (const command of [...commands, "bpf tunnel list", "bpf map list", "service list", "status"]) {
      await run(...command.split(" "));
    }
    expect(dumpAll(node)).toEqual(before);
  });

  test("bpf lb maglev list shows what part of the connections each backend gets", async () => {
    const { stdout } = await run("bpf", "lb", "maglev", "list", "-o", "wide");
    const [header, ...rows] = stdout
      .trim()
      .split("\n")
      .map((line) => line.split(/ {2,}/));
    expect(header).toEqual(["NODE", "REVNAT", "FRONTEND", "SERVICE", "SLOTS", "BACKENDS", "SHARES", "FAMILY", "TO"]);
    expect(rows).toEqual([
      ["node-1", "15", "10.89.0.11:30082", "-", "16381", "3", "33.3%", "IPv4", expect.stringMatching(/^[\d.:]+\/TCP,/)],
    ]);
    const { stdout: json } = await run("bpf", "lb", "maglev", "list", "-o", "json");
    const [{ table, backends }] = JSON.parse(json).items;
    expect(table).toHaveLength(16_381);
    for (const { backendId, slots } of backends) {
      expect(table.filter((id: number) => id === backendId)).toHaveLength(slots);
    }
  });

  test("bpf lb affinity-match list --pod keeps the rows whose backend it is", async () => {
    const { stdout } = await run("bpf", "lb", "affinity-match", "list", "--pod", "10.245.1.5", "-o", "name");
    expect(stdout).toBe("lb-affinity-match/4-8\n");
  });

  test("bpf lb maglev get of a service without a table: exit code 5, and where to look", async () => {
    const { exitCode, stderr } = await run("bpf", "lb", "maglev", "get", "4711", "-o", "cilium");
    expect(exitCode).toBe(5);
    expect(stderr).toMatch(/no service 4711 has a Maglev table .*\n(?:.*\n)*.*bpf lb maglev list/);
    expect((await run("bpf", "lb", "maglev", "get", "70000")).exitCode).toBe(2);
  });

  test("bpf tunnel list shows the pod prefixes of the ipcache in the classical view", async () => {
    const { stdout } = await run("bpf", "tunnel", "list");
    expect(stdout).toMatch(/^TUNNEL +VALUE\n10\.245\.1\.0 +10\.89\.0\.12:0\n/);
  });

  test("bpf ipcache get finds the longest prefix, as the datapath does", async () => {
    const [pod, prefix, none] = await Promise.all([
      run("bpf", "ipcache", "get", "10.245.1.5", "-o", "jsonpath={.items[0].prefix}"),
      run("bpf", "ipcache", "get", "10.245.1.77", "-o", "jsonpath={.items[0].prefix}"),
      run("bpf", "ipcache", "get", "203.0.113.9", "-o", "jsonpath={.items[0].prefix}"),
    ]);
    expect([pod.stdout, prefix.stdout, none.stdout]).toEqual(["10.245.1.5/32", "10.245.1.0/24", "0.0.0.0/0"]);
  });

  test("filters are applied on the node and joined by and", async () => {
    const { stdout } = await run(
      ...["bpf", "ct", "list", "--proto", "tcp", "--port", "8443", "--direction", "out", "-o", "jsonl"],
    );
    const rows = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    const status = rows.pop();
    expect(rows.length).toBeGreaterThan(0);
    for (const row of rows) {
      expect(row).toMatchObject({ protocol: "TCP", direction: "out" });
      expect([row.sourcePort, row.destinationPort]).toContain(8443);
    }
    expect(status).toMatchObject({ kind: "ListStatus", state: "complete" });
    expect(status.rowsRead).toBeGreaterThan(rows.length);
  });

  test("--sort-by with --limit keeps the first rows of the order", async () => {
    const all = await run("bpf", "ct", "list", "--sort-by", "EXPIRES", "-o", "jsonpath={.items[*].expiresAtSeconds}");
    const few = await run(
      "bpf",
      "ct",
      "list",
      "--sort-by",
      "expires",
      "--limit",
      "3",
      "-o",
      "jsonpath={.items[*].expiresAtSeconds}",
    );
    const times = all.stdout.split(" ").map(Number);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(few.stdout.split(" ").map(Number)).toEqual(times.slice(0, 3));
  });

  test("an unknown column is misuse and names the columns", async () => {
    const { exitCode, stderr } = await run("service", "list", "--sort-by", "FRONTENT");
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/did you mean "FRONTEND"/);
  });

  test("without batch calls the same entries are read", async () => {
    const args = ["bpf", "lb", "list", "-o", "json", "--lab", node.lab];
    const [batch, walk] = await Promise.all([
      runCli(args),
      runCli(args, { env: { CTS_DISABLE_FEATURES: "batch,lpm_batch" } }),
    ]);
    expect(withoutEvidence(walk.stdout)).toBe(withoutEvidence(batch.stdout));
    const ipcache = ["bpf", "ipcache", "list", "-o", "name", "--lab", node.lab];
    const [one, two] = await Promise.all([
      runCli(ipcache),
      runCli(ipcache, { env: { CTS_DISABLE_FEATURES: "batch,lpm_batch" } }),
    ]);
    expect(sortedLines(two.stdout)).toEqual(sortedLines(one.stdout));
  });

  test("an agent that is down is a finding of status, and the kernel is read all the same", async () => {
    const { exitCode, stdout } = await run("status", "-o", "json");
    const report = JSON.parse(stdout);
    expect(exitCode).toBe(3);
    expect(report.nodes[0].agent.state).toBe("down");
    // Of both families each: an endpoint is counted once.
    expect(report.nodes[0].datapath).toMatchObject({ endpoints: 6, frontends: 28, tunnels: 2 });
    expect(report.problems).toHaveLength(1);
  });
});

/**
 * Without what told the release, which each further map of the capture adds to, what only this reading measured, and the
 * ids that the kernel gave the maps.
 */
function withoutEvidence(text: string): string {
  return text
    .replaceAll(/"evidence":\[[^\]]*\]/g, '"evidence":[]')
    .replaceAll(/,?"longestSliceMs":[\d.]+/g, "")
    .replaceAll(/("name":"cilium_\w+"),"id":\d+/g, '$1,"id":0')
    .replaceAll(/ +(?:ID|\d+) {3}(BTF|yes|no)$/gm, "   $1");
}

/** Every map's entries in hex, sorted. */
function dumpAll(from: MapNode): Readonly<Record<string, readonly string[]>> {
  return Object.fromEntries(from.pinNames().map((name) => [name, dump(from.pinPath(name))]));
}

function dump(path: string): readonly string[] {
  using map = BpfMap.openPinned(path, { readOnly: true });
  const lines: string[] = [];
  for (let key = map.nextKey(); key !== undefined; key = map.nextKey(key)) {
    lines.push(`${key.toString("hex")} ${map.lookup(key)?.toString("hex")}`);
  }
  return lines.sort();
}

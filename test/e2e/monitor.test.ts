import { mkdirSync, rmSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { gobSample } from "../support/gob-samples.js";
import { MapNode } from "../support/map-node.js";
import { type CliOutcome, finishCli, runCli, startCli } from "../support/run-cli.js";
import { readCapture } from "../unit/abi-capture-files.js";

interface Sample {
  readonly hex: string;
  readonly info: string;
  readonly v: string;
  readonly vv: string;
  readonly json: string;
  readonly hexdump: string;
}

const samples: readonly Sample[] = readCapture("events/raw-events.jsonl")
  .trim()
  .split("\n")
  .map((line) => JSON.parse(line));

/** The capture is of a node with other interfaces than this machine's: their numbers and names are left out. */
function withoutInterfaces(text: string): string {
  return text.replace(/((?:ifindex|Ifindex|interface)"?[: ]"?)[\w-]+/g, "$1-");
}

let node: MapNode;
let server: Server | undefined;
let socketPath: string;

beforeAll(async () => {
  node = await MapNode.start();
  mkdirSync(node.runDir, { recursive: true });
  socketPath = join(node.runDir, "monitor1_2.sock");
});
afterEach(async () => {
  await new Promise((resolve) => (server === undefined ? resolve(undefined) : server.close(resolve)));
  server = undefined;
  rmSync(socketPath, { force: true });
});
afterAll(() => node[Symbol.dispose]());

/** An upstream agent's monitor socket. */
async function serve(script: (socket: Socket) => void): Promise<void> {
  server = createServer((socket) => {
    socket.on("error", () => {});
    script(socket);
  });
  await new Promise<void>((resolve) => server!.listen(socketPath, resolve));
}

const words = (...args: readonly string[]): readonly string[] => [
  "monitor",
  ...["--lab", node.lab, "--monitor-socket", socketPath, "--release", "1.20"],
  ...args,
];
const monitor = (...args: readonly string[]): Promise<CliOutcome> => runCli(words(...args));

/** What upstream's monitor printed for the capture's records, with the three that are not of the ring in between. */
function upstreamText(form: Exclude<keyof Sample, "hex">): string {
  return samples.map((sample) => sample[form]).join("");
}

describe("monitor, on a node with an upstream agent", () => {
  const own = [
    /CPU 01: Lost 17 events\n/,
    />> Endpoint created: .*\n/,
    /<- Response http to .*\n/,
    /\{"type":"agent".*\n/,
    /\{"type":"logRecord".*\n/,
  ];
  const ofRing = (text: string): string => own.reduce((rest, line) => rest.replace(line, ""), text);

  test.each<readonly [Exclude<keyof Sample, "hex">, readonly string[]]>([
    ["info", []],
    ["v", ["-v"]],
    ["vv", ["-v", "-v"]],
    ["vv", ["-vv"]],
    ["vv", ["-v", "--verbose"]],
    ["hexdump", ["--hex"]],
  ])("-o cilium prints what upstream's monitor prints: %s", async (form, flags) => {
    await serve((socket) => socket.end(gobSample("capture")));
    const { stdout, exitCode, stderr } = await monitor("-o", "cilium", ...flags);
    expect(withoutInterfaces(ofRing(stdout))).toBe(withoutInterfaces(upstreamText(form)));
    expect(exitCode).toBe(9);
    expect(stderr).toMatch(/^Listening for events on \d+ CPUs with 64x4096 of shared memory\nPress Ctrl-C to quit\n/);
    expect(stderr).toMatch(/PARTIAL: 140 entries read: .*the agent closed the connection/);
    expect(stderr).toMatch(/17 events were lost/);
  });

  test.each([["-j"], ["-o", "cilium-json"]])("%s %s prints upstream's JSON", async (...flags) => {
    await serve((socket) => socket.end(gobSample("capture")));
    const { stdout } = await monitor(...flags);
    expect(withoutInterfaces(ofRing(stdout))).toBe(withoutInterfaces(upstreamText("json")));
  });

  test("-j and -o exclude each other", async () => {
    expect((await monitor("-j", "-o", "table")).exitCode).toBe(2);
  });

  test("a row of the table goes out as it comes, and Ctrl-C ends it with 130", async () => {
    await serve((socket) => socket.write(gobSample("capture")));
    const child = startCli(words("--type", "drop", "--no-headers"));
    const ended = finishCli(child);
    let rows = 0;
    await new Promise<void>((resolve) => {
      child.stdout?.on("data", (text: string) => {
        rows += text.match(/ dropped /g)?.length ?? 0;
        if (rows === 6) resolve();
      });
    });
    child.kill("SIGINT");
    const { exitCode, stdout, stderr } = await ended;
    expect(exitCode).toBe(130);
    expect(stdout).toMatch(
      /node-1 +[\d:.]+ +drop +dropped +10\.245\.0\.79:47830 .*TCP SYN +Policy denied \(bpf_lxc\.c:2421\)/,
    );
    expect(stderr).toContain("17 events were lost");
  });

  test("a limit ends it, though the agent stays", async () => {
    await serve((socket) => socket.write(gobSample("capture")));
    const { exitCode, stdout } = await monitor(
      "--drop-reason",
      "policy denied",
      "--type",
      "drop",
      "--limit",
      "3",
      "-o",
      "jsonl",
    );
    const items = stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(items.map(({ kind, type, reason }) => kind ?? `${type} ${reason}`)).toEqual([
      "lost undefined",
      "drop Policy denied",
      "drop Policy denied",
      "ListStatus",
    ]);
    expect(exitCode).toBe(0);
  });

  test("a reason that nobody drops for is a mistake", async () => {
    await serve((socket) => socket.write(gobSample("capture")));
    const { exitCode, stderr } = await monitor("--drop-reason", "policy denid");
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(/policy denid.*did you mean "Policy denied"/is);
  });

  test("nobody listens: what was asked, and what to do", async () => {
    const { exitCode, stderr } = await monitor();
    expect(exitCode).toBe(7);
    expect(stderr).toMatch(/monitor1_2\.sock.*ENOENT/);
  });
});

import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { runCli } from "../support/run-cli.js";
import { eventually, podManifest, TestLab } from "./support/lab-fixture.js";
import { type MonitorItem, RunningMonitor } from "./support/running-monitor.js";

/** One UDP packet. */
const sendPacket = `
  const [source, destination, port] = process.argv.slice(1);
  const socket = require("node:dgram").createSocket("udp4");
  socket.bind(0, source, () => socket.send("x", Number(port), destination, () => socket.close()));
`;

describe("monitor, on a lab with our agents", () => {
  let lab: TestLab;
  let server: string;
  let client: string;

  beforeAll(async () => {
    const manifests = podManifest("server", { node: "node-2", container: "image: echo" });
    lab = await TestLab.start({
      agentCommand: "own",
      manifests: manifests + podManifest("client", { node: "node-1" }),
    });
    const addressOf = async (pod: string): Promise<string> => (await lab.pod(pod))!.status!.podIP!;
    [server, client] = [await addressOf("server"), await addressOf("client")];
    lab.exec("client", "ip", "address", "add", "10.1.2.3/32", "dev", "eth0");
  });
  afterAll(() => lab[Symbol.asyncDispose]());

  const request = (count = 1): string =>
    lab.exec("client", "cts-lab", "http", "--count", String(count), `http://${server}:8080/`);
  const send = (source: string, port: number): string =>
    lab.exec("client", process.execPath, "-e", sendPacket, source, server, String(port));
  /** Anti-spoofing drops what a pod sends from an address that is not its own. */
  const sendSpoofed = (): string => send("10.1.2.3", 7777);
  const isSpoofed = ({ reason }: MonitorItem): boolean => reason === "Invalid source ip";

  it("shows a connection from both nodes, and a packet with somebody else's source with file and line", async () => {
    const monitor = await RunningMonitor.start(lab);
    request();
    sendSpoofed();
    await monitor.until(() => monitor.items.some(isSpoofed) && monitor.items.some(({ node }) => node === "node-2"));
    expect((await monitor.stop()).exitCode).toBe(130);
    expect(monitor.items.find(isSpoofed)).toMatchObject({
      type: "drop",
      node: "node-1",
      file: expect.stringMatching(/\.(c|h)$/),
      line: expect.any(Number),
      packet: { source: "10.1.2.3", destinationPort: 7777 },
      destinationName: { name: "server" },
      interfaceName: expect.stringMatching(/^lxc/),
    });
    const traces = monitor.items.filter(({ type, packet }) => type === "trace" && packet?.source === client);
    expect(traces.map(({ node, observationPoint }) => `${node} ${observationPoint}`)).toEqual(
      expect.arrayContaining(["node-1 to-overlay", "node-2 to-endpoint"]),
    );
    expect(traces[0]).toMatchObject({ sourceName: { name: "client" }, destinationName: { name: "server" } });
  });

  it("tells of one endpoint what its own options say, over a restart of its agent too", async () => {
    const config = (...words: readonly string[]) => lab.product("endpoint", "config", "server", ...words);
    const level = "MonitorAggregationLevel";
    expect(config(`${level}=none`, "-o", "cilium").stdout).toMatch(/^MonitorAggregationLevel +: None$/m);
    expect(lab.cli("agent", "stop", "node-2").status).toBe(0);
    expect(lab.cli("agent", "start", "node-2").status).toBe(0);
    const told = await eventually(
      () => config("-o", "jsonl").stdout,
      (text) => text.includes(level),
    );
    expect(told).toContain('"option":"MonitorAggregationLevel","value":"none","setBy":"endpoint"');
    expect(told).toContain('"option":"DropNotification","value":true,"setBy":"node"');
    const monitor = await RunningMonitor.start(lab);
    request();
    const of = (name: string) => monitor.items.filter(({ node, type }) => node === name && type === "trace");
    await monitor.until(() => of("node-2").length >= 6);
    await monitor.stop();
    expect(of("node-1").length).toBeLessThan(of("node-2").length);
    expect(config(`${level}=medium`).status).toBe(0);
    expect(lab.product("endpoint", "config", "server", "Debug=true").status).toBe(2);
  });

  it("says at once which types of upstream's events do not come from our nodes", () => {
    const { status, stderr } = lab.product("monitor", "--type", "drop", "--type", "l7");
    expect([status, stderr]).toEqual([
      7,
      expect.stringContaining("l7: layer 7 rules and their proxy are not there yet"),
    ]);
  });

  it("says at the start which endpoints and identities nobody has, and waits for them", async () => {
    const nobody = ["--from", "65533", "--identity", "60001"];
    const monitor = await RunningMonitor.start(lab, ...nobody, "--related-to", "0", "--identity", "1");
    expect(monitor.said).toContain("endpoint 65533 not found: nothing of it is shown until it is there\n");
    expect(monitor.said).toContain("identity 60001 not found: nothing of it is shown until it is there\n");
    expect(monitor.said.match(/not found/g)).toHaveLength(2);
    expect((await monitor.stop()).exitCode).toBe(130);
  });

  it("filters on the node, and ends at the limit though nothing more happens", async () => {
    const monitor = await RunningMonitor.start(lab, "--drop-reason", "invalid source IP", "--limit", "1");
    request();
    sendSpoofed();
    expect((await monitor.ended).exitCode).toBe(0);
    expect(monitor.items).toEqual([expect.objectContaining({ reason: "Invalid source ip" })]);
  });

  it("one whose output nobody reads misses records and says how many; the other one is not held back by it", async () => {
    const [stalled, other] = await Promise.all([RunningMonitor.start(lab), RunningMonitor.start(lab)]);
    stalled.stall();
    // In a process of its own: this one must go on reading what the other one prints.
    const requests = ["lab", "exec", "client", "--name", lab.name, "--", "cts-lab", "http", "--summary"];
    await runCli([...requests, "--count", "6000", `http://${server}:8080/`]);
    send(client, 7778);
    const isLast = (node: string) => (item: MonitorItem) => item.node === node && item.packet?.destinationPort === 7778;
    await other.until(() => other.items.some(isLast("node-1")) && other.items.some(isLast("node-2")));
    stalled.resume();
    await stalled.until(() => ["node-1", "node-2"].every((node) => stalled.accounted(node) >= other.accounted(node)));
    expect(stalled.lost()).toBeGreaterThan(0);
    // On a busy machine the one that is read may fall behind for a moment too.
    expect(other.lost()).toBeLessThan(stalled.lost());
    await Promise.all([stalled.stop(), other.stop()]);
    for (const node of ["node-1", "node-2"]) expect(stalled.accounted(node)).toBe(other.accounted(node));
  });

  it("goes on with the other node when an agent is killed, and ends with the last one, saying so", async () => {
    const monitor = await RunningMonitor.start(lab);
    expect(lab.cli("agent", "stop", "node-1", "--kill").status).toBe(0);
    await monitor.until(() => /^node-1: no more events: the agent went away$/m.test(monitor.said));
    request();
    await monitor.until(() => monitor.items.some(({ node }) => node === "node-2"));
    expect(lab.cli("agent", "stop", "node-2").status).toBe(0);
    const { exitCode, stdout } = await monitor.ended;
    expect(exitCode).toBe(9);
    expect(JSON.parse(stdout.trim().split("\n").at(-1)!)).toMatchObject({
      kind: "ListStatus",
      state: "partial",
      reason: expect.stringMatching(/node-1: .*the agent went away; node-2: .*it stops/),
    });
  });

  it("reads the datapath beside agents that are down, whatever becomes of who read it before", async () => {
    const killed = await Promise.all([RunningMonitor.start(lab), RunningMonitor.start(lab)]);
    for (const monitor of killed) await monitor.kill();
    const monitor = await RunningMonitor.start(lab);
    request();
    sendSpoofed();
    await monitor.until(() => monitor.items.some(isSpoofed) && monitor.items.some(({ node }) => node === "node-2"));
    const { exitCode } = await monitor.stop();
    expect(exitCode).toBe(130);
    expect(monitor.lost()).toBe(0);
  });
});

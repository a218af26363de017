/**
 * Runs inside the emulator (scripts/emulated-kernel/): what an older kernel must take of the product, in the least time.
 */
import { deepStrictEqual, match, ok } from "node:assert/strict";
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { ClsactHooks } from "../../src/datapath/clsact-hooks.js";
import { ensureDevices } from "../../src/datapath/devices.js";
import { Ownership } from "../../src/datapath/ownership.js";
import { probeKernelFeatures } from "../../src/kernel/features.js";
import { interfaceIndex } from "../../src/kernel/net.js";
import { labToolPath } from "../../src/lab/lab-tool.js";
import { IpAddress } from "../../src/lib/ip.js";
import { DatapathHarness, hostIp, pod, remotePod } from "../bpf/harness.js";
import {
  countConfiguration,
  countPrograms,
  howToAccept,
  judgeCounts,
  kernelName,
  readRecordedCounts,
} from "../bpf/verifier-counts.js";
import { print, runChecks } from "./report.js";

/** Newer than 6.1. */
const MISSING = ["tcx"];
const UDP_PORT = "9091";
const UNSUPPORTED_L3 = "139 ";

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "inherit"] });
}

/** A pod as the agent makes one, but for the programs. */
function addPod(name: "client" | "server"): number {
  const { ip: address, mac, nodeMac } = pod[name];
  ip("netns", "add", name);
  ip(
    "link",
    "add",
    `lxc_${name}`,
    "address",
    nodeMac,
    "type",
    "veth",
    "peer",
    "name",
    "eth0",
    "address",
    mac,
    "netns",
    name,
  );
  // Nothing but what the test sends: without addresses IPv6 has nothing to say.
  ip("link", "set", `lxc_${name}`, "addrgenmode", "none", "up");
  ip("-n", name, "link", "set", "lo", "up");
  ip("-n", name, "addr", "add", `${address}/32`, "dev", "eth0");
  ip("-n", name, "link", "set", "eth0", "addrgenmode", "none", "up");
  ip("-n", name, "route", "add", "default", "dev", "eth0");
  return interfaceIndex(`lxc_${name}`) ?? 0;
}

function startServer(): ChildProcess {
  return spawn("ip", ["netns", "exec", "server", labToolPath, "echo", "--udp", UDP_PORT], { stdio: "ignore" });
}

function ask(): string {
  const request = [labToolPath, "udp", "--count", "20", "--timeout-ms", "1000", pod.server.ip, UDP_PORT, "hello"];
  return execFileSync("ip", ["netns", "exec", "client", ...request], { encoding: "utf8" });
}

const INSTALL_ID = "11111111-2222-4333-8444-555555555555";
const GENEVE_PORT = 6081;
/** What the VNI says of the sender. */
const FAR_IDENTITY = 1003;

/** A pod on another node that speaks Geneve, and sends one packet to the client. */
function sendThroughGeneve(): void {
  ip("netns", "add", "far");
  ip("link", "add", "under", "type", "veth", "peer", "name", "under", "netns", "far");
  ip("addr", "add", "172.30.0.1/24", "dev", "under");
  ip("link", "set", "under", "up");
  ip("-n", "far", "addr", "add", "172.30.0.2/24", "dev", "under");
  ip("-n", "far", "link", "set", "under", "up");
  const geneve = ["type", "geneve", "id", String(FAR_IDENTITY), "remote", "172.30.0.1", "dstport", String(GENEVE_PORT)];
  ip("-n", "far", "link", "add", "geneve0", ...geneve);
  ip("-n", "far", "addr", "add", `${remotePod.ip}/32`, "dev", "geneve0");
  ip("-n", "far", "link", "set", "geneve0", "up");
  ip("-n", "far", "route", "add", `${pod.client.ip}/32`, "dev", "geneve0");
  ip("-n", "far", "neigh", "add", pod.client.ip, "lladdr", pod.client.mac, "dev", "geneve0");
  const request = [labToolPath, "udp", "--timeout-ms", "100", pod.client.ip, UDP_PORT, "hello"];
  // Nobody answers.
  spawnSync("ip", ["netns", "exec", "far", ...request]);
}

let datapath: DatapathHarness | undefined;

await runChecks("smoke", [
  {
    name: "the probes find what this kernel has and miss what it has not",
    run() {
      const features = probeKernelFeatures();
      const missing = features.filter(({ available }) => !available).map(({ name }) => name);
      print(`CTS-MISSING ${missing.join()}`);
      deepStrictEqual(missing, MISSING);
    },
  },
  {
    name: "the verifier takes every program, with no more instructions than recorded",
    run() {
      datapath = new DatapathHarness();
      // This kernel walks every step, called or not: this is what the default leaves out.
      const others = ["direct server return", "packets in packets", "host firewall"];
      const counts = {
        default: countPrograms(datapath),
        ...Object.fromEntries(others.map((name) => [name, countConfiguration(name)])),
      };
      print(`CTS-VERIFIED ${JSON.stringify([kernelName, counts])}`);
      const recorded = readRecordedCounts()[kernelName];
      const problems = Object.entries(counts).flatMap(([name, count]) => judgeCounts(name, count, recorded));
      deepStrictEqual(problems, [], `${problems.join("; ")}; ${howToAccept}`);
    },
  },
  {
    name: "programs attached by clsact carry packets from pod to pod and back",
    async run() {
      ok(datapath !== undefined);
      const { fromContainer, toContainer } = datapath.programs;
      const hooks = new ClsactHooks(new Ownership(datapath.get("cts_owner"), INSTALL_ID));
      for (const name of ["client", "server"] as const) {
        const ifindex = addPod(name);
        datapath.addPod(pod[name], ifindex);
        await hooks.ensureDevice(`lxc_${name}_ingress`, fromContainer, { ifindex, direction: "ingress" });
        await hooks.ensureDevice(`lxc_${name}_egress`, toContainer, { ifindex, direction: "egress" });
      }
      deepStrictEqual((await hooks.list()).length, 4);
      const server = startServer();
      try {
        match(ask(), /hello/);
      } finally {
        server.kill();
      }
      // Nobody serves IPv6 here, and a device that comes up may speak it all the same.
      const drops = datapath.drops().filter((drop) => !drop.startsWith(UNSUPPORTED_L3));
      deepStrictEqual(drops, []);
      ok(datapath.connection("out", 17) !== undefined);
      ok(datapath.connection("in", 17) !== undefined);
    },
  },
  {
    name: "Geneve instead of VXLAN: the other device goes, the sender's identity is in the VNI",
    async run() {
      ok(datapath !== undefined);
      const ownership = new Ownership(datapath.get("cts_owner"), INSTALL_ID);
      const ensure = (tunnelProtocol: "vxlan" | "geneve", tunnelPort: number) =>
        ensureDevices({ ciliumHostIps: [IpAddress.parse(hostIp)], mtu: 1500, tunnelProtocol, tunnelPort }, ownership);
      const present = () => ["cilium_vxlan", "cilium_geneve"].map((name) => interfaceIndex(name) !== undefined);
      await ensure("vxlan", 8472);
      deepStrictEqual(present(), [true, false]);
      const { tunnelIfindex } = await ensure("geneve", GENEVE_PORT);
      deepStrictEqual(present(), [false, true]);
      deepStrictEqual((await ensure("geneve", GENEVE_PORT)).tunnelIfindex, tunnelIfindex);
      const hooks = new ClsactHooks(ownership);
      const { fromOverlay } = datapath.programs;
      await hooks.ensureDevice("vxlan_ingress", fromOverlay, { ifindex: tunnelIfindex, direction: "ingress" });
      sendThroughGeneve();
      const identities = datapath.connections().map(({ sourceIdentity }) => sourceIdentity);
      ok(identities.includes(FAR_IDENTITY), `identities ${identities.join()}, drops ${datapath.drops().join()}`);
      await ensure("vxlan", 8472);
      deepStrictEqual(present(), [true, false]);
    },
  },
]);
process.exit(0);

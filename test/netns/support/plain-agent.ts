/**
 * An agent without a datapath: the same socket, plain veths and routes. It lets the lab's own tests run apart from the
 * datapath; it is an implementation of the agent's interface, not a copy of the agent.
 */
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage } from "node:http";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { IpPrefix } from "../../../src/lib/ip.js";
import { resourceTypes } from "../../../src/model/kubernetes.js";
import { FolderStateSource } from "../../../src/state/folder-state-source.js";

interface AddCall {
  readonly containerId: string;
  readonly netns: string;
}

const { values } = parseArgs({
  strict: false,
  options: { node: { type: "string" }, "state-dir": { type: "string" }, "run-dir": { type: "string" } },
});
const node = String(values.node);
const runDir = String(values["run-dir"]);
const leasesFile = join(runDir, "leases.json");
const state = await FolderStateSource.open(String(values["state-dir"]));

function ip(...args: readonly string[]): void {
  execFileSync("ip", args, { stdio: ["ignore", "ignore", "pipe"] });
}

/** Pod uid → address: outlives the process, as an agent's endpoints do. */
function readLeases(): Record<string, string> {
  return existsSync(leasesFile) ? (JSON.parse(readFileSync(leasesFile, "utf8")) as Record<string, string>) : {};
}

async function podCidr(): Promise<IpPrefix> {
  const own = await state.get(resourceTypes.nodes, { name: node });
  return IpPrefix.parse(own?.spec?.podCIDR ?? "10.244.255.0/24");
}

async function routeToOthers(): Promise<void> {
  for (const { metadata, spec, status } of (await state.list(resourceTypes.nodes)).items) {
    const via = status?.addresses?.find((address) => address.type === "InternalIP")?.address;
    if (metadata.name !== node && spec?.podCIDR !== undefined && via !== undefined)
      ip("route", "replace", spec.podCIDR, "via", via);
  }
}

async function add(call: AddCall): Promise<unknown> {
  const leases = readLeases();
  const cidr = await podCidr();
  const taken = new Set(Object.values(leases));
  let offset = 2;
  while (taken.has(cidr.at(offset)!.text)) offset++;
  const address = leases[call.containerId] ?? cidr.at(offset)!.text;
  writeFileSync(leasesFile, JSON.stringify({ ...leases, [call.containerId]: address }));
  const ifname = `p${call.containerId.slice(0, 8)}`;
  if (!existsSync(`/sys/class/net/${ifname}`)) {
    const name = call.netns.split("/").at(-1)!;
    ip("link", "add", ifname, "type", "veth", "peer", "name", "eth0", "netns", name);
    ip("-n", name, "addr", "add", `${address}/32`, "dev", "eth0");
    ip("-n", name, "link", "set", "eth0", "up");
    ip("link", "set", ifname, "up");
    ip("-n", name, "route", "add", "169.254.1.1", "dev", "eth0");
    ip("-n", name, "route", "add", "default", "via", "169.254.1.1");
    writeFileSync(`/proc/sys/net/ipv4/conf/${ifname}/proxy_arp`, "1");
    ip("route", "replace", `${address}/32`, "dev", ifname);
  }
  await routeToOthers();
  return { cniVersion: "1.0.0", interfaces: [], ips: [{ address: `${address}/32` }], routes: [] };
}

function remove(call: AddCall): unknown {
  const { [call.containerId]: _released, ...rest } = readLeases();
  writeFileSync(leasesFile, JSON.stringify(rest));
  const ifname = `p${call.containerId.slice(0, 8)}`;
  if (existsSync(`/sys/class/net/${ifname}`)) ip("link", "del", ifname);
  return {};
}

async function answer(request: IncomingMessage): Promise<unknown> {
  let text = "";
  for await (const part of request) text += String(part);
  if (request.url === "/v1/healthz") return {};
  const call = JSON.parse(text) as AddCall;
  return request.url === "/v1/cni/add" ? add(call) : remove(call);
}

mkdirSync(runDir, { recursive: true });
const socket = join(runDir, "agent.sock");
rmSync(socket, { force: true });
let turn: Promise<unknown> = routeToOthers();
createServer((request, response) => {
  turn = turn.then(async () => {
    try {
      response.end(JSON.stringify(await answer(request)));
    } catch (error) {
      response.statusCode = 500;
      response.end(JSON.stringify({ code: 11, msg: String(error) }));
    }
  });
}).listen(socket);

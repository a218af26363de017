import { createHash } from "node:crypto";
import { Cleanup } from "./cleanup.js";
import { addPod, enableForwarding, Namespaces } from "./namespaces.js";
import { run } from "./shell.js";
import type { Topology } from "./topology.js";
import { drive, modes, portOf, startServer, stopServer } from "./traffic.js";

const clientAddress = "10.198.0.2";
const backendAddresses = ["10.198.0.3", "10.198.0.4"] as const;
/** The Service that is measured stands in the middle of the list: kube-proxy's order has no meaning. */
const measuredAddress = "10.96.255.254";

/** The node ports of the measured Service, one a mode. */
export const firstNodePort = 30_900;

/** kube-proxy names its chains by a hash of the Service port. */
function chainName(kind: "SVC" | "SEP" | "EXT", key: string): string {
  return `KUBE-${kind}-${createHash("sha256").update(key).digest("hex").toUpperCase().slice(0, 16)}`;
}

/** What the rules are about. */
export interface KubeProxyPlan {
  /** Of one port and two endpoints each; one more is measured. */
  readonly services: number;
  readonly podCidr: string;
  readonly backends: readonly string[];
}

interface ServicePort {
  readonly key: string;
  readonly address: string;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
  readonly nodePort?: number;
}

function fillerService(index: number): ServicePort {
  const address = `10.${96 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  return { key: `bench/filler-${index}`, address, protocol: "tcp", port: 80 };
}

function measuredServices(): readonly ServicePort[] {
  return modes.map((mode) => ({
    key: `bench/measured:${mode}`,
    address: measuredAddress,
    protocol: mode === "UDP_RR" ? "udp" : "tcp",
    port: portOf(mode),
    nodePort: firstNodePort + modes.indexOf(mode),
  }));
}

interface ServiceRules {
  readonly entry: string;
  readonly nodePortEntries: readonly string[];
  readonly chains: readonly string[];
  readonly rules: readonly string[];
}

/** The nat rules of one Service port, as kube-proxy 1.34 writes them in iptables mode. */
function serviceRules(one: ServicePort, { podCidr, backends }: KubeProxyPlan): ServiceRules {
  const { key, address, protocol, port, nodePort } = one;
  const service = chainName("SVC", key);
  const external = chainName("EXT", key);
  const to = `-p ${protocol} -m ${protocol} --dport`;
  const endpoints = backends.flatMap((backend, index) => {
    const endpoint = chainName("SEP", `${key} ${backend}`);
    const left = backends.length - index;
    const share = left === 1 ? "" : ` -m statistic --mode random --probability ${(1 / left).toFixed(11)}`;
    return [
      `-A ${service}${share} -j ${endpoint}`,
      `-A ${endpoint} -s ${backend}/32 -j KUBE-MARK-MASQ`,
      `-A ${endpoint} -p ${protocol} -m ${protocol} -j DNAT --to-destination ${backend}:${port}`,
    ];
  });
  const outside = nodePort === undefined ? [] : [`-A ${external} -j KUBE-MARK-MASQ`, `-A ${external} -j ${service}`];
  const chains = [service, ...backends.map((backend) => chainName("SEP", `${key} ${backend}`))];
  return {
    entry: `-A KUBE-SERVICES -d ${address}/32 ${to} ${port} -j ${service}`,
    nodePortEntries: nodePort === undefined ? [] : [`-A KUBE-NODEPORTS ${to} ${nodePort} -j ${external}`],
    chains: (nodePort === undefined ? chains : [...chains, external]).map((chain) => `:${chain} - [0:0]`),
    rules: [`-A ${service} ! -s ${podCidr} -d ${address}/32 ${to} ${port} -j KUBE-MARK-MASQ`, ...endpoints, ...outside],
  };
}

/** The whole input of `iptables-restore` for so many Services. */
export function kubeProxyRules(plan: KubeProxyPlan): string {
  const fillers = Array.from({ length: plan.services - 1 }, (_, index) => fillerService(index));
  const middle = fillers.length >> 1;
  const all = [...fillers.slice(0, middle), ...measuredServices(), ...fillers.slice(middle)];
  const ports = all.map((port) => serviceRules(port, plan));
  return [
    "*filter",
    ":KUBE-FORWARD - [0:0]",
    "-A FORWARD -j KUBE-FORWARD",
    "-A KUBE-FORWARD -m conntrack --ctstate INVALID -j DROP",
    "-A KUBE-FORWARD -m mark --mark 0x4000/0x4000 -j ACCEPT",
    "-A KUBE-FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT",
    "COMMIT",
    "*nat",
    ":KUBE-SERVICES - [0:0]",
    ":KUBE-NODEPORTS - [0:0]",
    ":KUBE-MARK-MASQ - [0:0]",
    ":KUBE-POSTROUTING - [0:0]",
    ...ports.flatMap(({ chains }) => chains),
    "-A PREROUTING -j KUBE-SERVICES",
    "-A OUTPUT -j KUBE-SERVICES",
    "-A POSTROUTING -j KUBE-POSTROUTING",
    "-A KUBE-MARK-MASQ -j MARK --or-mark 0x4000",
    "-A KUBE-POSTROUTING -m mark ! --mark 0x4000/0x4000 -j RETURN",
    "-A KUBE-POSTROUTING -j MARK --xor-mark 0x4000",
    "-A KUBE-POSTROUTING -j MASQUERADE --random-fully",
    ...ports.map(({ entry }) => entry),
    "-A KUBE-SERVICES -m addrtype --dst-type LOCAL -j KUBE-NODEPORTS",
    ...ports.flatMap(({ nodePortEntries }) => nodePortEntries),
    ...ports.flatMap(({ rules }) => rules),
    "COMMIT",
    "",
  ].join("\n");
}

/** A Service of kube-proxy in iptables mode on one node, among so many Services of one port and two endpoints each. */
export async function openKubeProxy(name: string, group: string, services: number): Promise<Topology> {
  return Cleanup.guard(async (cleanup) => {
    const namespaces = cleanup.use(new Namespaces(group));
    const node = await namespaces.add("node");
    await enableForwarding(node);
    const client = await addPod(namespaces, node, "client", [clientAddress]);
    const pod = await addPod(namespaces, node, "server", backendAddresses);
    for (const address of backendAddresses) {
      const server = await startServer(pod, address);
      cleanup.defer(() => stopServer(server));
    }
    await run("ip", ["netns", "exec", node, "iptables-restore"], {
      input: kubeProxyRules({ services, podCidr: "10.198.0.0/24", backends: backendAddresses }),
    });
    return {
      name,
      measure: (how) => drive(["ip", "netns", "exec", client], measuredAddress, how),
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  });
}

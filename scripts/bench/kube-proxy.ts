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

/** kube-proxy names its chains by a hash of the Service port. */
function chainName(kind: "SVC" | "SEP", key: string): string {
  return `KUBE-${kind}-${createHash("sha256").update(key).digest("hex").toUpperCase().slice(0, 16)}`;
}

interface ServicePort {
  readonly key: string;
  readonly address: string;
  readonly protocol: "tcp" | "udp";
  readonly port: number;
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
  }));
}

/** The nat rules of one Service port with two endpoints, as kube-proxy 1.34 writes them in iptables mode. */
function serviceRules({ key, address, protocol, port }: ServicePort): {
  entry: string;
  chains: string[];
  rules: string[];
} {
  const service = chainName("SVC", key);
  const chains = [`:${service} - [0:0]`];
  const rules = [
    `-A ${service} ! -s 10.198.0.0/24 -d ${address}/32 -p ${protocol} -m ${protocol} --dport ${port} -j KUBE-MARK-MASQ`,
  ];
  backendAddresses.forEach((backend, index) => {
    const endpoint = chainName("SEP", `${key} ${backend}`);
    const share = index === 0 ? " -m statistic --mode random --probability 0.50000000000" : "";
    chains.push(`:${endpoint} - [0:0]`);
    rules.push(
      `-A ${service}${share} -j ${endpoint}`,
      `-A ${endpoint} -s ${backend}/32 -j KUBE-MARK-MASQ`,
      `-A ${endpoint} -p ${protocol} -m ${protocol} -j DNAT --to-destination ${backend}:${port}`,
    );
  });
  const entry = `-A KUBE-SERVICES -d ${address}/32 -p ${protocol} -m ${protocol} --dport ${port} -j ${service}`;
  return { entry, chains, rules };
}

/** The whole input of `iptables-restore` for so many Services. */
function kubeProxyRules(services: number): string {
  const fillers = Array.from({ length: services - 1 }, (_, index) => fillerService(index));
  const middle = fillers.length >> 1;
  const ports = [...fillers.slice(0, middle), ...measuredServices(), ...fillers.slice(middle)].map(serviceRules);
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
    await run("ip", ["netns", "exec", node, "iptables-restore"], { input: kubeProxyRules(services) });
    return {
      name,
      measure: (how) => drive(["ip", "netns", "exec", client], measuredAddress, how),
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  });
}

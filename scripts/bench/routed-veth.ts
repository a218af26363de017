import type { IpFamily } from "../../src/lib/ip.js";
import { Cleanup } from "./cleanup.js";
import { addPod, enableForwarding, Namespaces, namespaceName } from "./namespaces.js";
import type { Topology } from "./topology.js";
import { drive, startServer, stopServer } from "./traffic.js";

const addresses = {
  4: { client: "10.198.0.2", server: "10.198.0.3" },
  6: { client: "fd00:198::2", server: "fd00:198::3" },
} as const satisfies Readonly<Record<IpFamily, unknown>>;

/** Where the client runs and what it dials, in a topology of IPv4. */
export function routedVethPods(group: string): { readonly client: string; readonly server: string } {
  return { client: namespaceName(group, "client"), server: addresses[4].server };
}

/**
 * Two pods of one node with routes and nothing else: no netfilter hook, no BPF program, no conntrack. What every other
 * figure of the same node stands beside.
 */
export async function openRoutedVeth(name: string, group: string, family: IpFamily = 4): Promise<Topology> {
  return Cleanup.guard(async (cleanup) => {
    const { client: clientAddress, server: serverAddress } = addresses[family];
    const namespaces = cleanup.use(new Namespaces(group));
    const node = await namespaces.add("node");
    await enableForwarding(node);
    const client = await addPod(namespaces, node, "client", [clientAddress]);
    const server = await startServer(await addPod(namespaces, node, "server", [serverAddress]), serverAddress);
    cleanup.defer(() => stopServer(server));
    return {
      name,
      measure: (how) => drive(["ip", "netns", "exec", client], serverAddress, how),
      [Symbol.asyncDispose]: () => cleanup[Symbol.asyncDispose](),
    };
  });
}

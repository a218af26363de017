import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { EndpointManager } from "../../src/agent/endpoints/endpoint-manager.js";
import { EndpointProgrammer } from "../../src/agent/endpoints/endpoint-programmer.js";
import { EndpointStore } from "../../src/agent/endpoints/endpoint-store.js";
import { EndpointTable } from "../../src/agent/endpoints/endpoint-table.js";
import { type RestoredEndpoints, restoreEndpoints } from "../../src/agent/endpoints/restore-endpoints.js";
import type { IdentityResolver, ResolvedIdentity } from "../../src/agent/identities/identity-resolver.js";
import { openAddressPools, savePoolCursors } from "../../src/agent/ipam/pool-cursor.js";
import type { LocalNode } from "../../src/agent/nodes/local-node.js";
import { IpAddress, IpPrefix } from "../../src/lib/ip.js";
import { createLogger } from "../../src/lib/log.js";
import type { CniRequest } from "../../src/model/cni.js";
import type { PolicyEntry } from "../../src/model/datapath-port.js";
import { InMemoryDatapath } from "./in-memory-datapath.js";
import { InMemoryLinks } from "./in-memory-links.js";

/** What a pod without policies gets. */
const allowAllPolicy: readonly PolicyEntry[] = (["ingress", "egress"] as const).map((direction) => ({
  ...{ direction, identity: 0, protocol: 0, port: 0, portPrefixLength: 0, verdict: "allow" },
}));

export const silentLog = createLogger({ name: "test", level: "silent" });

export const testNode: LocalNode = {
  name: "a",
  internalIp: IpAddress.parse("172.18.0.2"),
  internalIps: [IpAddress.parse("172.18.0.2")],
  podRanges: [{ podCidr: IpPrefix.parse("10.244.0.0/24"), ciliumHostIp: IpAddress.parse("10.244.0.1") }],
  addresses: [IpAddress.parse("172.18.0.2"), IpAddress.parse("10.244.0.1")],
  underlayDevice: "eth0",
  mtu: 1500,
  routeMtu: 1450,
  labels: {},
};

/** The same node with both families. */
export const dualNode: LocalNode = {
  ...testNode,
  internalIps: [...testNode.internalIps, IpAddress.parse("fd00:172:18::2")],
  podRanges: [
    ...testNode.podRanges,
    { podCidr: IpPrefix.parse("fd00:10:244::/64"), ciliumHostIp: IpAddress.parse("fd00:10:244::1") },
  ],
  addresses: [...testNode.addresses, IpAddress.parse("fd00:172:18::2"), IpAddress.parse("fd00:10:244::1")],
};

/** The parts of an agent that hold endpoints, over fakes for the kernel; `restart` is a new process on the same run directory. */
export class AgentFixture {
  readonly datapath = new InMemoryDatapath();
  readonly links = new InMemoryLinks();
  /** `namespace/name` → identity; a pod that is not here does not exist. */
  readonly pods = new Map<string, ResolvedIdentity>();
  readonly changed: string[] = [];
  table = new EndpointTable();
  manager!: EndpointManager;
  restored!: RestoredEndpoints;

  private constructor(readonly runDir: string) {}

  static async create(node = testNode): Promise<AgentFixture> {
    const fixture = new AgentFixture(await mkdtemp(join(tmpdir(), "cts-t-agent-")));
    await fixture.restart(node);
    return fixture;
  }

  async restart(node = testNode): Promise<void> {
    const { datapath, links, runDir } = this;
    const podCidrs = node.podRanges.map(({ podCidr }) => podCidr);
    const pools = await openAddressPools(runDir, podCidrs);
    const table = new EndpointTable();
    this.table = table;
    const store = new EndpointStore(runDir);
    const programmer = new EndpointProgrammer({ datapath, node, table });
    const identities: IdentityResolver = {
      resolve: async ({ podNamespace, podName }) => this.pods.get(`${podNamespace}/${podName}`),
    };
    const savePools = (): Promise<void> => savePoolCursors(runDir, pools);
    const restored = await restoreEndpoints({
      hasHostEndpoint: false,
      datapath,
      store,
      links,
      pools,
      table,
      programmer,
      log: silentLog,
    });
    this.restored = restored;
    this.manager = new EndpointManager({
      node,
      pools,
      savePools,
      table,
      store,
      links,
      programmer,
      identities,
      policies: {
        admit: ({ endpointId }) => datapath.writePolicy(endpointId, allowAllPolicy),
        release: () => {},
      },
      isReserved: (endpointId) => restored.reservedIds.has(endpointId),
      log: silentLog,
    });
    this.manager.onChanged((record) => this.changed.push(`${record.podNamespace}/${record.podName} ${record.state}`));
    for (const record of restored.dead) await this.manager.remove(record);
  }
}

export function cniRequest(name: string, overrides: Partial<CniRequest> = {}): CniRequest {
  return {
    containerId: `c-${name}`,
    netns: `/run/netns/${name}`,
    ifName: "eth0",
    podName: name,
    podNamespace: "shop",
    ...overrides,
  };
}

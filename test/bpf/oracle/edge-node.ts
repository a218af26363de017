import type { AgentConfig } from "../../../src/model/agent-config.js";
import type { PolicyEntry } from "../../../src/model/datapath-port.js";
import type { Random } from "../../fuzz/mutate.js";
import { allowAll, hostIp, hostMac, ip6, nodeIp, pod, remotePod, vip } from "../harness.js";
import { proto } from "../packet-builder.js";
import { ends } from "../xdp-node.js";
import type { World, WorldPod, WorldService } from "./packet-oracle.js";
import { hexOf, makePolicy } from "./packet-seeds.js";

/** Ways to backends of other nodes. Nodes have policies. */
export const nodeKinds = {
  tunnel: { enableHostFirewall: true },
  option: { routingMode: "native", lbMode: "dsr", enableHostFirewall: true },
  wrapped: { routingMode: "native", lbMode: "dsr", lbDsrDispatch: "ipip", enableHostFirewall: true },
} as const satisfies Readonly<Record<string, Partial<AgentConfig>>>;
export type NodeKind = keyof typeof nodeKinds;

export const TUNNEL_PORT = 8472;
export const REMOTE_NODE = 6;
const HOST = 1;
/** Flags of a frontend: routable, NodePort; in the second byte direct server return. */
const flags = { inside: 0, snat: 0x42, direct: 0x8042, sourceRange: 0xc2 } as const;

/** Who is who in one family. */
export interface EdgeAddresses {
  readonly node: string;
  /** Address of `cilium_host`, under which a node with a tunnel forwards to other nodes' pods. */
  readonly gateway: string;
  readonly client: string;
  readonly server: string;
  readonly remote: string;
  readonly otherNode: string;
  readonly outsider: string;
  readonly world: string;
  readonly vip: string;
}

export const edgeAddresses = (kind: NodeKind): Readonly<Record<4 | 6, EdgeAddresses>> => ({
  4: {
    ...{ node: nodeIp, gateway: hostIp, client: pod.client.ip, server: pod.server.ip, otherNode: "172.18.0.3", vip },
    ...{ outsider: ends[4].client, world: ends[4].beyond },
    remote: kind === "tunnel" ? remotePod.ip : ends[4].backend,
  },
  6: {
    ...{ node: ip6.node, gateway: ip6.host, client: ip6.client, server: ip6.server, otherNode: "fd00:172:18::3" },
    ...{ vip: ip6.vip, outsider: ends[6].client, world: ends[6].beyond },
    remote: kind === "tunnel" ? ip6.remotePod : ends[6].backend,
  },
});

/** As the test sets it up: addresses and ports, and which backends it has. */
export interface EdgeService {
  readonly serviceId: number;
  readonly address: string;
  readonly port: number;
  readonly protocol: number;
  readonly flags: number;
  readonly backends: readonly { readonly address: string; readonly port: number }[];
  readonly firstBackendId: number;
  readonly sourceRanges: readonly string[];
  readonly ownsAddress: boolean;
}

export function edgeServices(kind: NodeKind, of: EdgeAddresses): readonly EdgeService[] {
  const forward = kind === "option" || kind === "wrapped" ? flags.direct : flags.snat;
  const plain = { protocol: proto.tcp, flags: forward, firstBackendId: 1, sourceRanges: [], ownsAddress: false };
  const backends = [of.client, of.remote].map((address) => ({ address, port: 8080 }));
  const own = [{ address: of.node, port: 9000 }];
  const translated = { ...plain, serviceId: 10, address: of.node, port: 30_083, backends, flags: flags.snat };
  const others = of.node.includes(":") ? "2001:db8:99::/64" : "203.0.113.0/24";
  return [
    ...(forward === flags.snat ? [] : [translated]),
    { ...plain, serviceId: 5, address: of.node, port: 30_080, backends },
    { ...plain, serviceId: 6, address: of.node, port: 30_053, protocol: proto.udp, backends },
    { ...plain, serviceId: 7, address: of.vip, port: 80, backends, flags: flags.inside, ownsAddress: true },
    { ...plain, serviceId: 8, address: of.node, port: 30_081, backends: own, flags: flags.snat, firstBackendId: 3 },
    {
      ...plain,
      serviceId: 9,
      address: of.node,
      port: 30_082,
      backends,
      flags: flags.sourceRange,
      sourceRanges: [others],
    },
  ];
}

export interface EdgeFrontend extends WorldService {
  readonly isRoutable: boolean;
  readonly isDirect: boolean;
  /** Whether the node's own clients are among those that it takes. */
  readonly takesAll: boolean;
  readonly ownsAddress: boolean;
}

export interface EdgeNode {
  readonly kind: NodeKind;
  readonly addresses: Readonly<Record<4 | 6, EdgeAddresses>>;
  readonly world: World & { readonly client: WorldPod };
  readonly frontends: readonly EdgeFrontend[];
  /** Of the node itself; undefined: everything passes. */
  readonly policy: readonly PolicyEntry[] | undefined;
}

/** A node with policies of its own. */
export function makeEdgeNode(kind: NodeKind, random: Random): EdgeNode {
  const addresses = edgeAddresses(kind);
  const both = [addresses[4], addresses[6]];
  const policyOf = (): readonly PolicyEntry[] => (random.below(2) === 0 ? allowAll : makePolicy(random));
  const podOf = (name: "client" | "server"): WorldPod => ({
    addresses: both.map((of) => hexOf(of[name])),
    identity: pod[name].identity,
    mac: pod[name].mac,
    policy: policyOf(),
  });
  const frontends = both.flatMap((of) => edgeServices(kind, of)).map(frontendOf);
  const [client, server] = [podOf("client"), podOf("server")];
  const remote = both.map((of) => hexOf(of.remote));
  const known = [
    ...[...remote, ...[remotePod.ip, ip6.remotePod].map(hexOf)].map(
      (address) => [address, remotePod.identity] as const,
    ),
    ...both.map((of) => [hexOf(of.otherNode), REMOTE_NODE] as const),
    ...both.flatMap((of) => [of.node, of.gateway]).map((address) => [hexOf(address), HOST] as const),
  ];
  const hasPolicy = random.below(4) > 0;
  return {
    kind,
    addresses,
    frontends,
    policy: hasPolicy ? policyOf() : undefined,
    world: {
      client,
      pods: [client, server],
      hostAddresses: new Set(both.flatMap((of) => [of.node, of.gateway]).map(hexOf)),
      identities: new Map(known),
      tunnelled: new Set(kind === "tunnel" ? remote : []),
      services: [],
      hostMac,
      tunnelPort: TUNNEL_PORT,
    },
  };
}

function frontendOf(service: EdgeService): EdgeFrontend {
  return {
    address: hexOf(service.address),
    port: service.port,
    protocol: service.protocol,
    backends: service.backends.map(({ address, port }) => ({ address: hexOf(address), port })),
    isRoutable: (service.flags & 0x40) !== 0,
    isDirect: service.flags === flags.direct,
    takesAll: service.sourceRanges.length === 0,
    ownsAddress: service.ownsAddress,
  };
}

import type { KubeEndpointSlice, KubeNode, KubeService, SlicePort } from "./kubernetes.js";
import type { NamedService, NamedTransportAddress } from "./names-document.js";
import { protocolNumber } from "./protocol-names.js";
import { clusterAddresses } from "./service-query.js";

/**
 * Every transport address that belongs to a Service, whatever a datapath makes of it.
 * @param slices its EndpointSlices
 * @param nodeAddresses where node ports are open, see {@link nodeAddressesOf}
 */
export function nameService(
  { metadata, spec }: KubeService,
  slices: readonly KubeEndpointSlice[],
  nodeAddresses: readonly string[],
): NamedService {
  const addresses = [...clusterAddresses(spec), ...(spec.externalIPs ?? [])];
  const frontends = (spec.ports ?? []).flatMap((port): NamedTransportAddress[] => {
    const protocol = protocolNumber(port.protocol ?? "TCP") ?? 6;
    const at = (address: string, number: number): NamedTransportAddress => ({
      address,
      port: number,
      protocol,
      portName: port.name,
    });
    const { nodePort } = port;
    return [
      ...addresses.map((address) => at(address, port.port)),
      ...(nodePort === undefined ? [] : ["0.0.0.0", ...nodeAddresses].map((address) => at(address, nodePort))),
    ];
  });
  const { namespace = "default", name } = metadata;
  return { namespace, name, frontends, backends: slices.flatMap(backendsOfSlice) };
}

/** Addresses of all nodes. */
export function nodeAddressesOf(nodes: Iterable<KubeNode>): readonly string[] {
  return [...nodes].flatMap((node) => node.status?.addresses?.map(({ address }) => address) ?? []);
}

function backendsOfSlice(slice: KubeEndpointSlice): readonly NamedTransportAddress[] {
  const addresses = slice.endpoints.flatMap((endpoint) => endpoint.addresses);
  return (slice.ports ?? [])
    .filter((port): port is SlicePort & { port: number } => port.port !== undefined)
    .flatMap((port) =>
      addresses.map((address) => ({
        address,
        port: port.port,
        protocol: protocolNumber(port.protocol ?? "TCP") ?? 6,
        portName: port.name,
      })),
    );
}

import type { KubeEndpointSlice, KubeNode, KubeService, SlicePort } from "./kubernetes.js";
import type { NamedService, NamedTransportAddress } from "./names-document.js";
import { protocolNumber } from "./protocol-names.js";
import { serviceAddresses } from "./service-query.js";

/**
 * Every transport address that belongs to a Service, whatever a datapath makes of it.
 * @param slices its EndpointSlices
 * @param nodeAddresses where node ports are open, see {@link nodeAddressesOf}
 */
export function nameService(
  service: KubeService,
  slices: readonly KubeEndpointSlice[],
  nodeAddresses: readonly string[],
): NamedService {
  const { metadata, spec } = service;
  const addresses = serviceAddresses(service);
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
      ...(nodePort === undefined ? [] : ["0.0.0.0", "::", ...nodeAddresses].map((address) => at(address, nodePort))),
    ];
  });
  const { namespace = "default", name } = metadata;
  const { healthCheckNodePort } = spec;
  const checked = healthCheckNodePort === undefined ? {} : { healthCheckNodePort };
  return { namespace, name, frontends, backends: slices.flatMap(backendsOfSlice), ...checked };
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

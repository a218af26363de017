import { IpAddress, type IpFamily } from "../lib/ip.js";
import type { KubeEndpointSlice, KubeService, ServicePort, SliceEndpoint } from "./kubernetes.js";
import { type BackendChoice, type ServiceBackend, type ServiceNode, servicePortProtocols } from "./service-frontend.js";

/** A service's slots are numbered with 16 bits, and slot 0 is the master entry. */
const MAX_BACKENDS = 65_535;

/** Backends of one Service's ports; frontends that differ in their address alone share them. */
export interface BackendChooser {
  choose(port: ServicePort, family: IpFamily, isLocalOnly: boolean): BackendChoice;
  /** What was found wrong so far. */
  readonly problems: readonly string[];
}

interface Candidate extends ServiceBackend {
  readonly endpoint: SliceEndpoint;
}

export function createBackendChooser(
  service: KubeService,
  slices: readonly KubeEndpointSlice[],
  node: ServiceNode,
): BackendChooser {
  const problems: string[] = [];
  const chosen = new Map<string, BackendChoice>();
  return {
    problems,
    choose: (port, family, isLocalOnly) => {
      const key = [port.name, port.protocol, family, isLocalOnly].join(" ");
      const known = chosen.get(key);
      if (known !== undefined) return known;
      const all = candidatesOf({ service, port, slices, family }, problems);
      const near = isLocalOnly
        ? all.filter(({ endpoint }) => endpoint.nodeName === undefined || endpoint.nodeName === node.name)
        : preferNear(all, service, node);
      const choice = chooseSlots(near);
      chosen.set(key, { ...choice, backends: choice.backends.slice(0, MAX_BACKENDS) });
      if (choice.backends.length > MAX_BACKENDS) {
        problems.push(`port ${port.port} has ${choice.backends.length} backends; the first ${MAX_BACKENDS} are used`);
      }
      return chosen.get(key)!;
    },
  };
}

/**
 * Slots by kube-proxy's rule for terminating endpoints (KEP-1669): they count where nothing else is left. Those that count
 * are in the order of their addresses: `ipip_search()` of bpf/lib/ipip.h looks for one by halves.
 */
export function chooseSlots(candidates: readonly ServiceBackend[]): BackendChoice {
  const sorted = candidates
    .map(({ address, port, protocol, state }) => ({ address, port, protocol, state }))
    .sort((a, b) => a.address.compare(b.address) || a.port - b.port);
  const active = sorted.filter(({ state }) => state === "active");
  const terminating = sorted.filter(({ state }) => state === "terminating");
  return { backends: [...active, ...terminating], activeCount: active.length || terminating.length };
}

function candidatesOf(
  wanted: {
    readonly service: KubeService;
    readonly port: ServicePort;
    readonly slices: readonly KubeEndpointSlice[];
    readonly family: IpFamily;
  },
  problems: string[],
): readonly Candidate[] {
  const { service, port, slices, family } = wanted;
  const protocol = servicePortProtocols[port.protocol ?? "TCP"];
  const candidates = new Map<string, Candidate>();
  for (const slice of slices) {
    if (slice.addressType !== `IPv${family}`) continue;
    const targetPort = portOfSlice(slice, port);
    if (targetPort === undefined) continue;
    for (const endpoint of slice.endpoints) {
      const state = stateOf(endpoint, service.spec.publishNotReadyAddresses === true);
      if (state === undefined) continue;
      // The API takes several addresses and defines no meaning for all but the first.
      const text = endpoint.addresses[0] ?? "";
      const address = IpAddress.tryParse(text);
      if (address?.family !== family) {
        problems.push(`EndpointSlice ${slice.metadata.name}: "${text}" is not an IPv${family} address`);
        continue;
      }
      // While an endpoint moves from one slice to another it may be in both.
      if (candidates.get(address.text)?.state === "active") continue;
      candidates.set(address.text, { address, port: targetPort, protocol, state, endpoint });
    }
  }
  return [...candidates.values()];
}

/** Undefined: takes no connections. A terminating endpoint is ready only where the Service publishes unready addresses. */
function stateOf(endpoint: SliceEndpoint, publishesNotReady: boolean): ServiceBackend["state"] | undefined {
  const { ready = true, terminating = false } = endpoint.conditions ?? {};
  const serving = endpoint.conditions?.serving ?? ready;
  if (ready || publishesNotReady) return "active";
  return terminating && serving ? "terminating" : undefined;
}

/** The port's number in a slice: slices name ports as the Service does. */
function portOfSlice(slice: KubeEndpointSlice, port: ServicePort): number | undefined {
  const wanted = port.protocol ?? "TCP";
  const found = (slice.ports ?? []).find(
    (candidate) => (candidate.name ?? "") === (port.name ?? "") && (candidate.protocol ?? "TCP") === wanted,
  );
  return found?.port;
}

const ZONE_DISTRIBUTIONS: readonly (string | undefined)[] = ["PreferClose", "PreferSameZone"];
const TOPOLOGY_ANNOTATIONS = ["service.kubernetes.io/topology-aware-hints", "service.kubernetes.io/topology-mode"];

/**
 * Those near the client, by the hints of the EndpointSlices and kube-proxy's rule: hints are followed where every ready
 * endpoint has some and one of them is for this node, or its zone. Everything else is better than no backend.
 */
function preferNear(
  all: readonly Candidate[],
  { spec, metadata }: KubeService,
  node: ServiceNode,
): readonly Candidate[] {
  if (!node.config.serviceTopology) return all;
  const { trafficDistribution } = spec;
  const mode = TOPOLOGY_ANNOTATIONS.map((name) => metadata.annotations?.[name]).find((text) => text !== undefined);
  const isZoned =
    ZONE_DISTRIBUTIONS.includes(trafficDistribution) || !["disabled", "", undefined].includes(mode?.toLowerCase());
  const near = (hints: (candidate: Candidate) => readonly { readonly name: string }[], name: string | undefined) => {
    const ready = all.filter(({ state }) => state === "active");
    const isHere = (candidate: Candidate): boolean => hints(candidate).some((hint) => hint.name === name);
    const isHinted = ready.every((candidate) => hints(candidate).length > 0) && ready.some(isHere);
    return isHinted ? all.filter(isHere) : undefined;
  };
  const ofNode =
    trafficDistribution === "PreferSameNode"
      ? near(({ endpoint }) => endpoint.hints?.forNodes ?? [], node.name)
      : undefined;
  if (ofNode !== undefined) return ofNode;
  if (!isZoned && trafficDistribution !== "PreferSameNode") return all;
  return near(({ endpoint }) => endpoint.hints?.forZones ?? [], node.zone) ?? all;
}

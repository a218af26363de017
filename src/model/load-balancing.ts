import { IpAddress, type IpFamily } from "../lib/ip.js";
import type { FrontendKey } from "./datapath-port.js";
import type { KubeEndpointSlice, KubeService, Protocol, ServicePort, SliceEndpoint } from "./kubernetes.js";

/** A frontend as it should be, without the numbers that the node gives it. */
export interface ServiceFrontend extends FrontendKey {
  /** Upstream's service flags; 0 is a ClusterIP that is not routable from outside. */
  readonly flags: number;
  readonly affinityTimeoutSeconds: number;
  /** In slot order: by address, then port, the same on every node and after every restart. */
  readonly backends: readonly ServiceBackend[];
}

export interface ServiceBackend {
  readonly address: IpAddress;
  /** Host order. */
  readonly port: number;
  /** IP protocol. */
  readonly protocol: number;
  /** `terminating` is in the slots only while nothing else is left. */
  readonly state: "active" | "terminating";
}

/** What one Service and its EndpointSlices ask of the datapath. */
export interface TranslatedService {
  readonly frontends: readonly ServiceFrontend[];
  /** What of the Service this version cannot do, one sentence each that names it. The rest works. */
  readonly problems: readonly string[];
}

/** Label by which Services are left to another proxy (upstream's option k8s-service-proxy-name, kube-proxy's rule). */
const OTHER_PROXY_LABEL = "service.kubernetes.io/service-proxy-name";
/** A service's slots are numbered with 16 bits, and slot 0 is the master entry. */
const MAX_BACKENDS = 65_535;

const protocolNumbers: Readonly<Partial<Record<Protocol, number>>> = { TCP: 6, UDP: 17 };

/**
 * Service → frontends and backends, for the ClusterIP of any type of Service.
 * @param slices the EndpointSlices of this Service, in any order
 * @param families the families that the node serves
 */
export function translateService(
  service: KubeService,
  slices: readonly KubeEndpointSlice[],
  families: readonly IpFamily[] = [4],
): TranslatedService {
  const { name, namespace = "default" } = service.metadata;
  if (isForOthers(service)) return { frontends: [], problems: [] };
  const problems = unsupportedParts(service);
  const { addresses, rejected } = clusterAddresses(service, families);
  problems.push(...rejected);
  const frontends: ServiceFrontend[] = [];
  for (const port of service.spec.ports ?? []) {
    const protocol = protocolNumbers[port.protocol ?? "TCP"];
    if (protocol === undefined) {
      problems.push(`port ${port.port}/${port.protocol} is not supported by this version`);
      continue;
    }
    for (const address of addresses) {
      const found = backendsOfPort(service, port, slices, address.family, protocol);
      problems.push(...found.problems);
      const key: FrontendKey = { address, port: port.port, protocol, scope: 0 };
      frontends.push({ ...key, flags: 0, affinityTimeoutSeconds: 0, backends: found.backends });
    }
  }
  return {
    frontends,
    problems: [...new Set(problems)].map((problem) => `Service ${namespace}/${name}: ${problem}`),
  };
}

/** Headless Services and aliases have no frontends, and those of another proxy are none of ours. */
function isForOthers(service: KubeService): boolean {
  const { type, clusterIP } = service.spec;
  const otherProxy = service.metadata.labels?.[OTHER_PROXY_LABEL];
  return type === "ExternalName" || clusterIP === "None" || otherProxy !== undefined;
}

/** What later versions bring. Whoever relies on it is told; the ClusterIP works meanwhile. */
function unsupportedParts({ spec }: KubeService): string[] {
  const problems: string[] = [];
  const add = (what: string) => problems.push(`${what} is not supported by this version; only the ClusterIP works`);
  if (spec.type === "NodePort" || spec.type === "LoadBalancer") add(`type ${spec.type}`);
  if ((spec.externalIPs ?? []).length > 0) add("externalIPs");
  if (spec.sessionAffinity === "ClientIP") add("sessionAffinity ClientIP");
  if (spec.internalTrafficPolicy === "Local") add("internalTrafficPolicy Local");
  if (spec.externalTrafficPolicy === "Local") add("externalTrafficPolicy Local");
  return problems;
}

function clusterAddresses(
  { spec }: KubeService,
  families: readonly IpFamily[],
): { readonly addresses: readonly IpAddress[]; readonly rejected: readonly string[] } {
  const texts = spec.clusterIPs ?? (spec.clusterIP ? [spec.clusterIP] : []);
  if (texts.length === 0) return { addresses: [], rejected: ["it has no clusterIP yet"] };
  const addresses: IpAddress[] = [];
  const rejected: string[] = [];
  for (const text of texts) {
    const address = IpAddress.tryParse(text);
    if (address === undefined) rejected.push(`clusterIP "${text}" is not an address`);
    else if (families.includes(address.family)) addresses.push(address);
    else rejected.push(`clusterIP ${text}: IPv${address.family} is not supported by this version`);
  }
  return { addresses, rejected };
}

/**
 * Slots of one port, by kube-proxy's rule for terminating endpoints (KEP-1669): the ready ones; where there are none, those
 * that terminate and still serve.
 */
function backendsOfPort(
  service: KubeService,
  port: ServicePort,
  slices: readonly KubeEndpointSlice[],
  family: IpFamily,
  protocol: number,
): { readonly backends: readonly ServiceBackend[]; readonly problems: readonly string[] } {
  const problems: string[] = [];
  const candidates = new Map<string, ServiceBackend>();
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
      candidates.set(address.text, { address, port: targetPort, protocol, state });
    }
  }
  const backends = chooseSlots([...candidates.values()]);
  if (backends.length > MAX_BACKENDS) {
    problems.push(`port ${port.port} has ${backends.length} backends; the first ${MAX_BACKENDS} are used`);
  }
  return { backends: backends.slice(0, MAX_BACKENDS), problems };
}

function chooseSlots(candidates: readonly ServiceBackend[]): readonly ServiceBackend[] {
  const active = candidates.filter((candidate) => candidate.state === "active");
  const chosen = active.length > 0 ? active : candidates;
  return [...chosen].sort((a, b) => a.address.compare(b.address) || a.port - b.port);
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

import type { KubeEndpointSlice, KubeService } from "./kubernetes.js";
import { type BackendChooser, createBackendChooser } from "./load-balancing-backends.js";
import { frontendSites } from "./load-balancing-frontends.js";
import { readServiceTraits, traitsOfFrontend } from "./load-balancing-traits.js";
import type { ServiceFrontend, ServiceNode } from "./service-frontend.js";

/** What one Service and its EndpointSlices ask of the datapath. */
export interface TranslatedService {
  readonly frontends: readonly ServiceFrontend[];
  /** What of the Service this version cannot do, one sentence each that names it. The rest works. */
  readonly problems: readonly string[];
  /** What an external balancer asks this node, where the Service wants it asked. */
  readonly healthCheck?: ServiceHealthCheck;
}

/** KEP-27: a balancer sends only to nodes with endpoints of their own. */
export interface ServiceHealthCheck {
  readonly port: number;
  readonly localEndpoints: number;
}

/** Label by which Services are left to another proxy (upstream's option k8s-service-proxy-name, kube-proxy's rule). */
const OTHER_PROXY_LABEL = "service.kubernetes.io/service-proxy-name";
const HEADLESS_LABEL = "service.kubernetes.io/headless";

/**
 * Service → frontends and backends of one node: ClusterIP, node ports, LoadBalancer and external addresses.
 * @param slices the EndpointSlices of this Service, in any order
 */
export function translateService(
  service: KubeService,
  slices: readonly KubeEndpointSlice[],
  node: ServiceNode,
): TranslatedService {
  const { name, namespace = "default" } = service.metadata;
  if (isForOthers(service)) return { frontends: [], problems: [] };
  const traits = readServiceTraits(service, node.config);
  const sites = frontendSites(service, node);
  const chooser = createBackendChooser(service, slices, node);
  const frontends = sites.sites.map(({ servicePort, isLocalOnly, ...site }): ServiceFrontend => {
    const chosen = chooser.choose(servicePort, site.address.family, isLocalOnly);
    return { service: `${namespace}/${name}`, ...site, ...traitsOfFrontend(site, traits, node), ...chosen };
  });
  const problems = new Set([...traits.problems, ...sites.problems, ...chooser.problems]);
  const { type, externalTrafficPolicy, healthCheckNodePort: port = 0 } = service.spec;
  const isChecked = type === "LoadBalancer" && externalTrafficPolicy === "Local" && port !== 0;
  return {
    frontends,
    problems: [...problems].map((problem) => `Service ${namespace}/${name}: ${problem}`),
    ...(isChecked ? { healthCheck: { port, localEndpoints: countLocal(service, node, chooser) } } : {}),
  };
}

/** Ready endpoints of the own node, whatever their port; a pod of two families is one of them. */
function countLocal({ spec }: KubeService, { families }: ServiceNode, chooser: BackendChooser): number {
  const counts = families.map((family) => {
    const choices = (spec.ports ?? []).map((port) => chooser.choose(port, family, true));
    const active = choices.flatMap(({ backends, activeCount }) => backends.slice(0, activeCount));
    return new Set(active.map(({ address }) => address.text)).size;
  });
  return Math.max(0, ...counts);
}

/** Headless Services and aliases have no frontends, and those of another proxy are none of ours. */
function isForOthers({ spec, metadata }: KubeService): boolean {
  const isHeadless = spec.clusterIP?.toLowerCase() === "none" || metadata.labels?.[HEADLESS_LABEL] !== undefined;
  return spec.type === "ExternalName" || isHeadless || metadata.labels?.[OTHER_PROXY_LABEL] !== undefined;
}

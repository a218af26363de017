import type { KubeService } from "./kubernetes.js";
import type { NamedService } from "./names-document.js";

/** Which Services somebody wants to know: all that meet one of the conditions. Plain JSON. */
export interface ServiceQuery {
  /** Canonical texts of addresses of the cluster, of external ones and of balancers. */
  readonly addresses?: readonly string[] | undefined;
  readonly nodePorts?: readonly number[] | undefined;
  /** `namespace/name`, or the name alone in any namespace. */
  readonly names?: readonly string[] | undefined;
  readonly namespaces?: readonly string[] | undefined;
  /** Every Service, for suggestions when there is none of a name. */
  readonly all?: boolean | undefined;
}

/** The query in a request's body; undefined for anything else. */
export function parseServiceQuery(body: unknown): ServiceQuery | undefined {
  if (typeof body !== "object" || body === null) return undefined;
  const query: Partial<Record<keyof ServiceQuery, unknown>> = body;
  const { addresses, nodePorts, names, namespaces, all } = query;
  const isList = (list: unknown, type: "string" | "number"): boolean =>
    list === undefined || (Array.isArray(list) && list.every((item) => typeof item === type));
  const isQuery = [addresses, names, namespaces].every((list) => isList(list, "string")) && isList(nodePorts, "number");
  return isQuery && (all === undefined || typeof all === "boolean") ? (query as ServiceQuery) : undefined;
}

/** A test for many Services: what is asked for is indexed once, so that a test costs its Service's addresses and ports. */
export function createServiceTest(query: ServiceQuery): (service: KubeService) => boolean {
  const addresses = new Set(query.addresses);
  const nodePorts = new Set(query.nodePorts);
  const names = new Set(query.names);
  const namespaces = new Set(query.namespaces);
  if (query.all === true) return () => true;
  const isAddressed = (address: string): boolean => addresses.has(address);
  return (service) => {
    const { name, namespace = "default" } = service.metadata;
    return (
      (names.size > 0 && (names.has(name) || names.has(`${namespace}/${name}`))) ||
      namespaces.has(namespace) ||
      (addresses.size > 0 && serviceAddresses(service).some(isAddressed)) ||
      (nodePorts.size > 0 &&
        service.spec.ports?.some(({ nodePort }) => nodePort !== undefined && nodePorts.has(nodePort)) === true)
    );
  };
}

/** Whether something has this name: `namespace/name`, or the name alone. */
export function isCalled({ namespace, name }: Pick<NamedService, "namespace" | "name">, text: string): boolean {
  return text === name || text === `${namespace}/${name}`;
}

/** Cluster addresses of a Service, as written; none for headless ones. */
export function clusterAddresses(spec: KubeService["spec"]): readonly string[] {
  const all = spec.clusterIPs ?? (spec.clusterIP === undefined ? [] : [spec.clusterIP]);
  return all.filter((text) => text !== "" && text !== "None");
}

/** Every address at which a Service's own ports answer, as written: of the cluster, external ones, a balancer's. */
export function serviceAddresses({ spec, status }: KubeService): readonly string[] {
  const balanced = status?.loadBalancer?.ingress?.flatMap(({ ip }) => ip ?? []) ?? [];
  return [...clusterAddresses(spec), ...(spec.externalIPs ?? []), ...balanced];
}

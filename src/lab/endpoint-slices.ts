import { IpAddress, type IpFamily } from "../lib/ip.js";
import { objectKey } from "../model/kube-object.js";
import {
  type KubeEndpointSlice,
  type KubePod,
  type KubeService,
  SERVICE_NAME_LABEL,
  type ServicePort,
  type SliceEndpoint,
  type SlicePort,
} from "../model/kubernetes.js";
import { findPort } from "./container-probes.js";
import { isPodOver, isPodReady } from "./pod-conditions.js";

export const MANAGED_BY_LABEL = "endpointslice.kubernetes.io/managed-by";
export const MANAGER = "cts-lab";
/** As in Kubernetes: a slice holds at most 100 endpoints. */
const MAX_ENDPOINTS = 100;

export function matchesSelector(
  selector: Readonly<Record<string, string>> | undefined,
  labels: Readonly<Record<string, string>> | undefined,
): boolean {
  const entries = Object.entries(selector ?? {});
  return entries.length > 0 && entries.every(([key, value]) => labels?.[key] === value);
}

/** The slices of a Service with a selector, those of each of its families apart. */
export function buildEndpointSlices(
  service: KubeService,
  pods: readonly KubePod[],
  families: readonly IpFamily[],
  zoneOf: (nodeName: string) => string | undefined = () => undefined,
): readonly KubeEndpointSlice[] {
  const place = (nodeName: string): EndpointPlace => placeOf(service, nodeName, zoneOf(nodeName));
  return families.flatMap((family) => slicesOfFamily({ service, pods, family, place }));
}

type EndpointPlace = Pick<SliceEndpoint, "nodeName" | "zone" | "hints">;

/** Where an endpoint is and, if the Service wants near backends, whom it serves: its own zone, or node. */
function placeOf({ spec }: KubeService, nodeName: string, zone: string | undefined): EndpointPlace {
  const { trafficDistribution } = spec;
  const forZones = trafficDistribution === undefined || zone === undefined ? {} : { forZones: [{ name: zone }] };
  const forNodes = trafficDistribution === "PreferSameNode" ? { forNodes: [{ name: nodeName }] } : {};
  const hints = { ...forZones, ...forNodes };
  return {
    nodeName,
    ...(zone === undefined ? {} : { zone }),
    ...(Object.keys(hints).length === 0 ? {} : { hints }),
  };
}

/** Pods whose named ports have other numbers get slices of their own. */
function slicesOfFamily(wanted: {
  readonly service: KubeService;
  readonly pods: readonly KubePod[];
  readonly family: IpFamily;
  readonly place: (nodeName: string) => EndpointPlace;
}): readonly KubeEndpointSlice[] {
  const { service, pods, family, place } = wanted;
  const groups = new Map<string, { readonly ports: readonly SlicePort[]; readonly endpoints: SliceEndpoint[] }>();
  for (const pod of [...pods].sort((a, b) => objectKey(a.metadata).localeCompare(objectKey(b.metadata)))) {
    const address = addressOf(pod, family);
    if (address === undefined || isPodOver(pod)) continue;
    if (!matchesSelector(service.spec.selector, pod.metadata.labels)) continue;
    const ports = (service.spec.ports ?? []).flatMap((port) => slicePort(port, pod));
    const key = JSON.stringify(ports);
    const group = groups.get(key) ?? { ports, endpoints: [] };
    group.endpoints.push({
      ...sliceEndpoint(service, pod, address),
      ...(pod.spec.nodeName === undefined ? {} : place(pod.spec.nodeName)),
    });
    groups.set(key, group);
  }
  const chunks = [...groups.values()].flatMap(({ ports, endpoints }) => {
    const parts: { readonly ports: readonly SlicePort[]; readonly endpoints: readonly SliceEndpoint[] }[] = [];
    for (let at = 0; at < endpoints.length; at += MAX_ENDPOINTS)
      parts.push({ ports, endpoints: endpoints.slice(at, at + MAX_ENDPOINTS) });
    return parts;
  });
  // A Service whose pods are all gone keeps one slice, empty: that it has none is a fact, too.
  return (chunks.length > 0 ? chunks : [{ ports: [], endpoints: [] }]).map((chunk, i) =>
    slice(service, family, i, chunk),
  );
}

function addressOf({ status }: KubePod, family: IpFamily): string | undefined {
  const all = status?.podIPs?.map(({ ip }) => ip) ?? (status?.podIP === undefined ? [] : [status.podIP]);
  return all.find((text) => IpAddress.tryParse(text)?.family === family);
}

function slicePort(port: ServicePort, pod: KubePod): readonly SlicePort[] {
  const { targetPort = port.port, name = "", protocol = "TCP" } = port;
  const numbers = pod.spec.containers.map((container) => findPort(container, targetPort));
  const number = numbers.find((candidate) => candidate !== undefined);
  if (number === undefined) return []; // this pod does not have the named port
  const appProtocol = port.appProtocol === undefined ? {} : { appProtocol: port.appProtocol };
  return [{ name, port: number, protocol, ...appProtocol }];
}

function sliceEndpoint(service: KubeService, pod: KubePod, address: string): SliceEndpoint {
  const isTerminating = pod.metadata.deletionTimestamp !== undefined;
  const isServing = isPodReady(pod);
  const isReady = service.spec.publishNotReadyAddresses === true || (isServing && !isTerminating);
  const { namespace = "default", name, uid } = pod.metadata;
  return {
    addresses: [address],
    conditions: { ready: isReady, serving: isServing, terminating: isTerminating },
    targetRef: { kind: "Pod", namespace, name, ...(uid === undefined ? {} : { uid }) },
  };
}

function slice(
  service: KubeService,
  family: IpFamily,
  index: number,
  content: { readonly ports: readonly SlicePort[]; readonly endpoints: readonly SliceEndpoint[] },
): KubeEndpointSlice {
  const { name, namespace = "default", uid = "" } = service.metadata;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: {
      name: `${name}-lab${family === 4 ? "" : "-ipv6-"}${index}`,
      namespace,
      labels: { [SERVICE_NAME_LABEL]: name, [MANAGED_BY_LABEL]: MANAGER },
      ownerReferences: [{ apiVersion: "v1", kind: "Service", name, uid, controller: true }],
    },
    addressType: `IPv${family}`,
    ...content,
  };
}

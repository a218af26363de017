import { UsageError } from "../../lib/errors.js";
import { IpAddress, type IpFamily, IpPrefix } from "../../lib/ip.js";
import { AGENT_CONFIG_MAP, judgeSetting, parseAgentConfig } from "../../model/agent-config.js";
import { objectKey } from "../../model/kube-object.js";
import type {
  Container,
  KubeConfigMap,
  KubeDeployment,
  KubeEndpointSlice,
  KubeNode,
  KubePod,
  KubeService,
  PodSpec,
} from "../../model/kubernetes.js";
import { configuredFamilies } from "../../model/pod-families.js";
import { matchesSelector } from "../../model/selectors.js";
import { serviceFamilies } from "../../model/service-families.js";
import { type PlacedObject, placeOf } from "./manifest-object.js";
import type { Placed } from "./manifest-problem.js";

/** What the cluster says to manifests that come into it. */
export interface CrossCheckOptions {
  /** Nodes that exist beside those of the manifests; without any node known, nodeName is not checked. */
  readonly knownNodes?: readonly string[];
  /** Services that exist already: their addresses are taken. */
  readonly knownServices?: readonly KubeService[];
  /** Of pods, unless the manifests hold the settings that say so; without either no Service is asked for its families. */
  readonly families?: readonly IpFamily[];
  /** Whether policies of nodes are in force, unless the manifests hold the settings that say so. */
  readonly enableHostFirewall?: boolean;
  /** Where clusterIPs must lie; those of a family that is not named: anywhere. */
  readonly serviceCidrs?: readonly IpPrefix[];
  /** Why a container cannot run here; undefined: it can. */
  readonly problemOfContainer?: (container: Container) => string | undefined;
}

/** Checks that need more than one field: between objects, and of values that the model understands. */
export function crossCheck(objects: readonly PlacedObject[], options: CrossCheckOptions): void {
  checkDuplicates(objects);
  checkNodeNames(objects, options.knownNodes ?? []);
  checkPodAddresses(objects);
  checkServiceAddresses(objects, options);
  checkServiceFamilies(objects, options.families);
  checkPodCidrs(objects);
  for (const podSpec of podSpecs(objects)) checkContainers(podSpec, options);
  for (const object of objects) checkAlone(object);
}

function describePlace(object: PlacedObject): string {
  const { path, line } = object.collector.place(object.node);
  return `${path}:${line}`;
}

function report(object: PlacedObject, place: Placed, message: string): void {
  object.collector.report(place, message);
}

function checkDuplicates(objects: readonly PlacedObject[]): void {
  const first = new Map<string, PlacedObject>();
  for (const object of objects) {
    const key = `${object.type.plural}/${objectKey(object.object.metadata)}`;
    const earlier = first.get(key);
    if (earlier === undefined) first.set(key, object);
    else report(object, object.node, `${object.subject} is defined twice: first in ${describePlace(earlier)}`);
  }
}

interface PlacedPodSpec {
  readonly placed: PlacedObject;
  readonly spec: PodSpec;
  readonly path: readonly string[];
}

function podSpecs(objects: readonly PlacedObject[]): readonly PlacedPodSpec[] {
  return objects.flatMap((placed): readonly PlacedPodSpec[] => {
    if (placed.type.kind === "Pod") return [{ placed, spec: (placed.object as KubePod).spec, path: ["spec"] }];
    if (placed.type.kind !== "Deployment") return [];
    const { spec } = (placed.object as KubeDeployment).spec.template;
    return [{ placed, spec, path: ["spec", "template", "spec"] }];
  });
}

/** As the API server: names of containers are unique in their pod, and a probe does exactly one thing. */
function checkContainers({ placed, spec, path }: PlacedPodSpec, { problemOfContainer }: CrossCheckOptions): void {
  const names = new Set<string>();
  for (const [index, container] of spec.containers.entries()) {
    const at = [...path, "containers", index];
    const text = `${path.join(".")}.containers[${index}]`;
    if (names.has(container.name)) {
      report(
        placed,
        placeOf(placed, ...at, "name"),
        `${text}.name in ${placed.subject} is used twice: "${container.name}"`,
      );
    }
    names.add(container.name);
    const problem = problemOfContainer?.(container);
    if (problem !== undefined) report(placed, placeOf(placed, ...at, "image"), `${placed.subject}: ${problem}`);
    for (const name of ["livenessProbe", "readinessProbe", "startupProbe"] as const) {
      const probe = container[name];
      const actions = [probe?.httpGet, probe?.tcpSocket, probe?.exec].filter((action) => action !== undefined);
      if (probe === undefined || actions.length === 1) continue;
      const message = `${text}.${name} in ${placed.subject} needs exactly one of httpGet, tcpSocket and exec`;
      report(placed, placeOf(placed, ...at, name), message);
    }
  }
}

function checkNodeNames(objects: readonly PlacedObject[], knownNodes: readonly string[]): void {
  const declared = objects.filter(({ type }) => type.kind === "Node").map(({ object }) => object.metadata.name);
  const nodes = new Set([...declared, ...knownNodes]);
  if (nodes.size === 0) return;
  for (const { placed, spec, path } of podSpecs(objects)) {
    const { nodeName } = spec;
    if (nodeName === undefined || nodes.has(nodeName)) continue;
    const known = [...nodes].sort().join(", ");
    report(
      placed,
      placeOf(placed, ...path, "nodeName"),
      `${placed.subject} is on an unknown node "${nodeName}": there is ${known}`,
    );
  }
}

/** Two pods cannot have one address: neither by their own status, nor by what EndpointSlices say of them. */
function checkPodAddresses(objects: readonly PlacedObject[]): void {
  const owners = new Map<string, string>();
  const claim = (placed: PlacedObject, place: Placed, text: string, owner: string) => {
    const address = IpAddress.tryParse(text)?.text;
    if (address === undefined) {
      report(placed, place, `"${text}" in ${placed.subject} is not an IPv4 or IPv6 address`);
      return;
    }
    const other = owners.get(address);
    if (other === undefined) owners.set(address, owner);
    else if (other !== owner) report(placed, place, `${owner} has the address ${address}, which ${other} has already`);
  };
  for (const placed of objects) {
    if (placed.type.kind === "Pod") {
      const podIp = (placed.raw as unknown as KubePod).status?.podIP;
      const isOnHost = (placed.object as KubePod).spec.hostNetwork === true;
      if (podIp !== undefined && !isOnHost) claim(placed, placeOf(placed, "status", "podIP"), podIp, placed.subject);
    }
    if (placed.type.kind !== "EndpointSlice") continue;
    const slice = placed.object as KubeEndpointSlice;
    for (const [index, { addresses, targetRef }] of slice.endpoints.entries()) {
      if (targetRef?.kind !== "Pod" || targetRef.name === undefined || slice.addressType === "FQDN") continue;
      const owner = `Pod ${targetRef.namespace ?? slice.metadata.namespace}/${targetRef.name}`;
      for (const [at, address] of addresses.entries()) {
        claim(placed, placeOf(placed, "endpoints", index, "addresses", at), address, owner);
      }
    }
  }
}

function clusterIpsOf({ spec }: KubeService): readonly string[] {
  const all = [...(spec.clusterIP ? [spec.clusterIP] : []), ...(spec.clusterIPs ?? [])];
  return [...new Set(all)].filter((text) => text !== "None");
}

/** Address → who has it already. A Service that the manifests change keeps what they do not mention. */
function takenServiceAddresses(
  objects: readonly PlacedObject[],
  knownServices: readonly KubeService[],
): Map<string, string> {
  const redefined = new Set(
    objects
      .filter(({ type, object }) => type.kind === "Service" && clusterIpsOf(object as KubeService).length > 0)
      .map(({ subject }) => subject),
  );
  const owners = new Map<string, string>();
  for (const service of knownServices) {
    const subject = `Service ${objectKey(service.metadata)}`;
    if (!redefined.has(subject)) for (const text of clusterIpsOf(service)) owners.set(text, subject);
  }
  return owners;
}

function checkServiceAddresses(
  objects: readonly PlacedObject[],
  { knownServices = [], serviceCidrs = [] }: CrossCheckOptions,
): void {
  const owners = takenServiceAddresses(objects, knownServices);
  for (const placed of objects) {
    if (placed.type.kind !== "Service") continue;
    const service = placed.object as KubeService;
    for (const text of clusterIpsOf(service)) {
      const place = placeOf(placed, "spec", service.spec.clusterIP === text ? "clusterIP" : "clusterIPs");
      const address = IpAddress.tryParse(text);
      if (address === undefined) {
        report(placed, place, `clusterIP "${text}" of ${placed.subject} is not an address or None`);
        continue;
      }
      const serviceCidr = serviceCidrs.find((prefix) => prefix.address.family === address.family);
      if (serviceCidr?.contains(address) === false)
        report(
          placed,
          place,
          `clusterIP ${address} of ${placed.subject} is outside of the service range ${serviceCidr}`,
        );
      const owner = owners.get(address.text);
      if (owner === undefined) owners.set(address.text, placed.subject);
      else report(placed, place, `${placed.subject} has the clusterIP ${address}, which ${owner} has already`);
    }
  }
}

export function isAgentConfig({ type, object: { metadata } }: PlacedObject): boolean {
  const { name, namespace } = AGENT_CONFIG_MAP;
  return type.kind === "ConfigMap" && metadata.name === name && metadata.namespace === namespace;
}

function checkServiceFamilies(objects: readonly PlacedObject[], known: readonly IpFamily[] | undefined): void {
  const settings = objects.find(isAgentConfig)?.object as KubeConfigMap | undefined;
  const families = settings === undefined ? known : configuredFamilies(settings.data);
  if (families === undefined) return;
  for (const placed of objects) {
    const { spec } = placed.object as KubeService;
    if (placed.type.kind !== "Service" || spec.type === "ExternalName") continue;
    const found = serviceFamilies(spec, families);
    const field = ["ipFamilies", "ipFamilyPolicy", "clusterIP"].find((name) => name in spec) ?? "type";
    if ("problem" in found) report(placed, placeOf(placed, "spec", field), `${placed.subject} ${found.problem}`);
  }
}

function checkPodCidrs(objects: readonly PlacedObject[]): void {
  const taken: { readonly prefix: IpPrefix; readonly subject: string }[] = [];
  for (const placed of objects) {
    const { podCIDR, podCIDRs = [] } =
      (placed.type.kind === "Node" ? (placed.object as KubeNode).spec : undefined) ?? {};
    for (const text of new Set([...(podCIDR === undefined ? [] : [podCIDR]), ...podCIDRs])) {
      const place = placeOf(placed, "spec", podCIDR === text ? "podCIDR" : "podCIDRs");
      const prefix = tryParsePrefix(text);
      if (prefix === undefined) {
        report(placed, place, `podCIDR "${text}" of ${placed.subject} is not an address prefix`);
        continue;
      }
      const other = taken.find(
        (known) => known.prefix.contains(prefix.address) || prefix.contains(known.prefix.address),
      );
      if (other !== undefined && other.subject !== placed.subject) {
        report(placed, place, `podCIDR ${text} of ${placed.subject} overlaps with ${other.prefix} of ${other.subject}`);
      }
      taken.push({ prefix, subject: placed.subject });
    }
  }
}

function tryParsePrefix(text: string): IpPrefix | undefined {
  try {
    return text.includes("/") ? IpPrefix.parse(text) : undefined;
  } catch (error) {
    if (error instanceof UsageError) return undefined;
    throw error;
  }
}

function checkAlone(placed: PlacedObject): void {
  const { kind } = placed.type;
  if (kind === "Deployment") checkDeployment(placed, placed.object as KubeDeployment);
  if (kind === "ConfigMap") checkAgentConfig(placed, placed.object as KubeConfigMap);
  if (kind !== "Service") return;
  checkPortNames(placed, placed.object as KubeService);
  checkServiceKind(placed, placed.object as KubeService);
}

/** Says what of a Service is not served here, instead of leaving it to be found by a connection that hangs. */
function checkServiceKind(placed: PlacedObject, { spec, status }: KubeService): void {
  const { type = "ClusterIP" } = spec;
  if (type === "LoadBalancer" && (status?.loadBalancer?.ingress ?? []).length === 0) {
    placed.collector.note(
      placeOf(placed, "spec", "type"),
      `${placed.subject}: type LoadBalancer has no address of its own unless status.loadBalancer.ingress names one`,
    );
  }
  if (type === "ExternalName") {
    placed.collector.note(
      placeOf(placed, "spec", "type"),
      `${placed.subject}: type ExternalName has no effect in a lab`,
    );
  }
}

/** As the API server: a Deployment that does not select its own pods would make pods for ever. */
function checkDeployment(placed: PlacedObject, { spec }: KubeDeployment): void {
  const place = placeOf(placed, "spec", "selector");
  const parts = Object.keys(spec.selector.matchLabels ?? {}).length + (spec.selector.matchExpressions ?? []).length;
  if (parts === 0)
    report(placed, place, `spec.selector in ${placed.subject} selects every pod: name at least one label`);
  else if (!matchesSelector(spec.selector, spec.template.metadata?.labels)) {
    report(placed, place, `spec.selector in ${placed.subject} does not match the labels of its own template`);
  }
}

function checkAgentConfig(placed: PlacedObject, { data = {} }: KubeConfigMap): void {
  if (!isAgentConfig(placed)) return;
  let areRight = true;
  for (const [key, value] of Object.entries(data)) {
    const judged = judgeSetting(key, value);
    if ("note" in judged) placed.collector.note(placeOf(placed, "data", key), judged.note);
    if (!("problem" in judged)) continue;
    areRight = false;
    report(placed, placeOf(placed, "data", key), `agent setting ${judged.problem}`);
  }
  if (areRight) checkSettingsTogether(placed, data);
}

function checkSettingsTogether(placed: PlacedObject, data: Readonly<Record<string, string>>): void {
  try {
    parseAgentConfig(data);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    for (const problem of error.details.problems as readonly string[]) {
      report(placed, placeOf(placed, "data"), `agent settings ${problem}`);
    }
  }
}

/** As the API server: with several ports each needs a name of its own. */
function checkPortNames(placed: PlacedObject, { spec }: KubeService): void {
  const { ports = [] } = spec;
  const names = new Set<string>();
  for (const [index, { name }] of ports.entries()) {
    const place = placeOf(placed, "spec", "ports", index);
    if (ports.length > 1 && name === undefined) {
      report(placed, place, `missing field spec.ports[${index}].name in ${placed.subject}: several ports need names`);
    } else if (name !== undefined && names.has(name)) {
      report(placed, place, `spec.ports[${index}].name in ${placed.subject} is used twice: "${name}"`);
    }
    names.add(name ?? "");
  }
}

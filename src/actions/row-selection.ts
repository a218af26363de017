import { AgentError, NotFoundError, UsageError } from "../lib/errors.js";
import { IpAddress } from "../lib/ip.js";
import { didYouMean } from "../lib/nearest-name.js";
import { matchesLabelQuery, parseLabelQuery } from "../model/label-query.js";
import type { NamedPod, NamedService } from "../model/names-document.js";
import type { RowFilter } from "../model/readers.js";
import type { CtState } from "../model/rows.js";
import type { ServiceQuery } from "../model/service-query.js";
import type { NameIndex } from "./names/name-index.js";

/** What the user asked to see, in names; each list means any of them, all fields together mean all of them. */
export interface RowSelection {
  readonly namespace?: string | undefined;
  /** Label selector of pods. */
  readonly selector?: string | undefined;
  /** `[namespace/]name`, or an address, which need not be a pod's */
  readonly pods?: readonly string[] | undefined;
  /** `[namespace/]name` */
  readonly services?: readonly string[] | undefined;
  readonly protocols?: readonly number[] | undefined;
  readonly ports?: readonly number[] | undefined;
  readonly identities?: readonly number[] | undefined;
  readonly states?: readonly CtState[] | undefined;
  readonly directions?: readonly string[] | undefined;
}

/** Whether the selection speaks of pods, Services or namespaces by their names. */
export function needsNames(selection: RowSelection): boolean {
  const { namespace, selector, pods, services } = selection;
  const isPodNamed = pods?.some((text) => IpAddress.tryParse(text) === undefined) ?? false;
  return namespace !== undefined || selector !== undefined || isPodNamed || (services?.length ?? 0) > 0;
}

/**
 * Resolves names to addresses, so that the node compares bytes and knows nothing of Kubernetes.
 * @throws NotFoundError `pod-unknown`, `service-unknown`; UsageError `name-ambiguous`, those of the selector's syntax;
 *   AgentError `names-missing` when nobody could be asked for names
 */
export function resolveSelection(selection: RowSelection, names: NameIndex): RowFilter {
  if (needsNames(selection)) checkNames(names);
  const wantedPods = selectPods(selection, names);
  const services = (selection.services ?? []).map((name) => findNamed("service", name, selection, names.services));
  const addresses = wantedPods?.flatMap((pod) => pod.addresses.map(canonical));
  const serviceAddresses = isNamespaceOnly(selection)
    ? names.services
        .filter((service) => service.namespace === selection.namespace)
        .flatMap((service) => service.frontends.map((frontend) => canonical(frontend.address)))
    : [];
  return {
    addresses: addresses === undefined ? undefined : [...new Set([...addresses, ...serviceAddresses])],
    transportAddresses: services.length === 0 ? undefined : services.flatMap(transportAddresses),
    protocols: nonEmpty(selection.protocols),
    ports: nonEmpty(selection.ports),
    identities: nonEmpty(selection.identities),
    states: nonEmpty(selection.states),
    directions: nonEmpty(selection.directions),
  };
}

/** The Services that {@link resolveSelection} must know; undefined when it needs none. */
export function servicesOfSelection(selection: RowSelection): ServiceQuery | undefined {
  const { namespace, services = [] } = selection;
  const names = services.map((text) => {
    const name = bareName(text);
    return name.includes("/") || namespace === undefined ? name : `${namespace}/${name}`;
  });
  if (names.length > 0) return { names };
  return namespace !== undefined && isNamespaceOnly(selection) ? { namespaces: [namespace] } : undefined;
}

/** Without kubectl's prefix of a kind. */
function bareName(text: string): string {
  return text.replace(/^(pod|pods|po|service|services|svc)\/(?=.)/, "");
}

function isNamespaceOnly(selection: RowSelection): boolean {
  return selection.namespace !== undefined && selection.selector === undefined && (selection.pods?.length ?? 0) === 0;
}

/** @throws AgentError `names-missing` */
export function checkNames({ missingReason }: NameIndex): void {
  if (missingReason === undefined) return;
  throw new AgentError("names-missing", `pods, services and namespaces cannot be told apart: ${missingReason}`, {
    hint: "Names come from the node's agent; the maps themselves hold addresses only.",
    nextSteps: ["say --pod ADDRESS, or filter by --port, --proto, --identity, --state or --direction"],
  });
}

/** What has addresses: a pod, or an address that the user wrote out. */
interface Addressed {
  readonly addresses: readonly string[];
}

function findPod(text: string, selection: RowSelection, names: NameIndex): Addressed {
  const address = IpAddress.tryParse(text);
  return address === undefined ? findNamed("pod", text, selection, names.document.pods) : { addresses: [address.text] };
}

/** Undefined when the selection does not speak of pods: then every address is wanted. */
function selectPods(selection: RowSelection, names: NameIndex): readonly Addressed[] | undefined {
  const { namespace, selector, pods, services } = selection;
  if (pods !== undefined && pods.length > 0) return pods.map((text) => findPod(text, selection, names));
  if (selector !== undefined) {
    const parsed = parseLabelQuery(selector);
    return names.document.pods.filter(
      (pod) => matchesLabelQuery(parsed, pod.labels ?? {}) && (namespace === undefined || pod.namespace === namespace),
    );
  }
  // With --service, -n says where the Service is.
  if (namespace === undefined || (services?.length ?? 0) > 0) return undefined;
  return names.document.pods.filter((pod) => pod.namespace === namespace);
}

/** Finds `[kind/][namespace/]name`; without a namespace any will do, as long as it is the only one. */
export function findNamed<Named extends NamedPod | NamedService>(
  kind: "pod" | "service",
  text: string,
  selection: Pick<RowSelection, "namespace">,
  all: readonly Named[],
): Named {
  const words = bareName(text).split("/");
  const name = words.at(-1) ?? "";
  const namespace = words.length > 1 ? words.slice(0, -1).join("/") : selection.namespace;
  const found = all.filter(
    (candidate) => candidate.name === name && (namespace === undefined || candidate.namespace === namespace),
  );
  if (found.length === 1) return found[0]!;
  const fullNames = all.map((candidate) => `${candidate.namespace}/${candidate.name}`);
  if (found.length > 1) {
    throw new UsageError("name-ambiguous", `there are ${found.length} ${kind}s called "${name}"`, {
      nextSteps: found.map((candidate) => `say ${candidate.namespace}/${candidate.name}`),
    });
  }
  const wanted = namespace === undefined ? name : `${namespace}/${name}`;
  const near = didYouMean(wanted, namespace === undefined ? all.map((candidate) => candidate.name) : fullNames);
  const where = namespace === undefined ? "" : ` in namespace ${namespace}`;
  throw new NotFoundError(`${kind}-unknown`, `there is no ${kind} "${name}"${where}${near}`, {
    nextSteps: fullNames.length === 0 ? [] : [`use one of: ${fullNames.slice(0, 10).join(", ")}`],
  });
}

function transportAddresses(service: NamedService): readonly string[] {
  return [...service.frontends, ...service.backends].map(({ address, port }) => transportKey(canonical(address), port));
}

/** How {@link RowFilter.transportAddresses} spells an address with its port. */
function transportKey(address: string, port: number): string {
  return `${address}:${port}`;
}

function canonical(text: string): string {
  return IpAddress.tryParse(text)?.text ?? text;
}

function nonEmpty<T>(values: readonly T[] | undefined): readonly T[] | undefined {
  return values === undefined || values.length === 0 ? undefined : values;
}

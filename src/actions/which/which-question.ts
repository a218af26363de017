import { NotFoundError } from "../../lib/errors.js";
import { IpAddress } from "../../lib/ip.js";
import type { L4Address } from "../../model/rows.js";
import type { NameIndex } from "../names/name-index.js";
import { checkNames, findNamed } from "../row-selection.js";
import type { Connection } from "./connections.js";

export interface WhichQuestion {
  /** `[namespace/]pod` or an address. */
  readonly source: string;
  /** `[namespace/]service`, `[namespace/]pod` or an address; absent for any. */
  readonly destination?: string | undefined;
  readonly namespace?: string | undefined;
  readonly port?: number | undefined;
  /** IP protocol number. */
  readonly protocol?: number | undefined;
}

/** Addresses of `[namespace/]pod`, or the address itself. */
export function resolveSource(question: WhichQuestion, names: NameIndex): readonly string[] {
  const address = IpAddress.tryParse(question.source);
  if (address !== undefined) return [address.text];
  checkNames(names);
  const pod = findNamed("pod", question.source, question, names.document.pods);
  if (pod.addresses.length > 0) return pod.addresses;
  throw new NotFoundError("pod-without-address", `pod ${pod.namespace}/${pod.name} has no address`);
}

/** Whether one end of a connection is what the question asks for. */
export type EndTest = (end: L4Address) => boolean;

/** A Service is its frontends and backends, ports included; a pod or an address is any port of it. */
export function resolveDestination(question: WhichQuestion, names: NameIndex): EndTest {
  const { destination } = question;
  if (destination === undefined) return () => true;
  const address = IpAddress.tryParse(destination);
  if (address !== undefined) return (end) => end.address.equals(address);
  checkNames(names);
  if (isPodName(destination, names)) {
    const pod = findNamed("pod", destination, question, names.document.pods);
    return (end) => pod.addresses.includes(end.address.text);
  }
  const service = findNamed("service", destination, question, names.services);
  const wanted = new Set([...service.frontends, ...service.backends].map((end) => `${end.address} ${end.port}`));
  return (end) => wanted.has(`${end.address.text} ${end.port}`);
}

/** Said so, or there is no Service of that name. */
function isPodName(text: string, { services }: NameIndex): boolean {
  if (/^(svc|service|services)\//.test(text)) return false;
  const name = text.split("/").at(-1);
  return /^(po|pod|pods)\//.test(text) || !services.some((service) => service.name === name);
}

/** Whether a connection answers the question. */
export function isWanted(connection: Connection, question: WhichQuestion, isDestination: EndTest): boolean {
  const ends = [connection.backend, ...(connection.frontend === undefined ? [] : [connection.frontend])];
  return (
    (question.protocol === undefined || connection.protocol === question.protocol) &&
    (question.port === undefined || ends.some((end) => end.port === question.port)) &&
    ends.some(isDestination)
  );
}

import { createHash } from "node:crypto";
import { AgentError } from "../../lib/errors.js";
import { IpAddress } from "../../lib/ip.js";
import { type EventOptions, parseEventOptions } from "../../model/event-options.js";
import { HOST_ENDPOINT_ID } from "../../model/host-endpoint.js";

/** Where an endpoint stands. Only `ready` ones survive a restart; the others are undone and the runtime asks again. */
export type EndpointState = "creating" | "ready" | "deleting";

/** All that the agent knows of one pod's attachment; kept in `<run-dir>/endpoints/<id>.json`. */
export interface EndpointRecord {
  readonly version: 1;
  readonly endpointId: number;
  readonly state: EndpointState;
  readonly containerId: string;
  /** Interface inside the pod. */
  readonly ifName: string;
  readonly netns: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly podUid?: string;
  /** One for each family, IPv4 first; never empty. */
  readonly addresses: readonly IpAddress[];
  readonly mac: string;
  /** Host side of the veth. */
  readonly hostIfname: string;
  readonly hostMac: string;
  /** 0 until the link exists. */
  readonly ifindex: number;
  readonly mtu: number;
  readonly identity: number;
  /** Identity labels, `k8s:app=web`, sorted. */
  readonly labels: readonly string[];
  readonly createdAt: string;
  /** Set by hand; the others are the node's. */
  readonly eventOptions?: Partial<EventOptions>;
}

/** Identity of a pod whose labels are not known yet (upstream `reserved:init`). */
export const INIT_IDENTITY = 5;
export const INIT_LABELS: readonly string[] = ["reserved:init"];

/** Key of an attachment: a container has one endpoint an interface. */
export function attachmentKey(attachment: { readonly containerId: string; readonly ifName: string }): string {
  return `${attachment.containerId}:${attachment.ifName}`;
}

/** Upstream's name of the host side: `lxc` and the first 11 hex digits of sha256 over the attachment. */
export function hostInterfaceName(attachment: { readonly containerId: string; readonly ifName: string }): string {
  return `lxc${createHash("sha256").update(attachmentKey(attachment)).digest("hex").slice(0, 11)}`;
}

/**
 * An endpoint id that nobody uses: 1…65534 (16 bits in the maps, and one for the node itself). Begins at a hash of the attachment, so that the same
 * container tends to get the same id again.
 * @throws AgentError `no-free-endpoint-id`
 */
export function pickEndpointId(key: string, isUsed: (endpointId: number) => boolean): number {
  const start = createHash("sha256").update(key).digest().readUInt32LE(0) % (HOST_ENDPOINT_ID - 1);
  for (let step = 0; step < HOST_ENDPOINT_ID - 1; step++) {
    const endpointId = ((start + step) % (HOST_ENDPOINT_ID - 1)) + 1;
    if (!isUsed(endpointId)) return endpointId;
  }
  throw new AgentError("no-free-endpoint-id", `all ${HOST_ENDPOINT_ID - 1} endpoint ids are in use`);
}

/** Shape of a record file. @throws AgentError `endpoint-file` for anything else */
export function parseEndpointRecord(text: string, source: string): EndpointRecord {
  let raw: Record<string, unknown>;
  try {
    raw = JSON.parse(text) as Record<string, unknown>;
  } catch (cause) {
    throw new AgentError("endpoint-file", `${source} is not JSON`, { cause });
  }
  const addresses = parseAddresses(raw);
  const hasNumbers = ["endpointId", "ifindex", "mtu", "identity"].every((field) => Number.isInteger(raw[field]));
  const hasTexts = [
    "state",
    "containerId",
    "ifName",
    "netns",
    "podName",
    "podNamespace",
    "mac",
    "hostIfname",
    "hostMac",
  ].every((field) => typeof raw[field] === "string");
  const hasOptions = raw.eventOptions === undefined || parseEventOptions(raw.eventOptions) !== undefined;
  if (
    !hasOptions ||
    raw.version !== 1 ||
    addresses === undefined ||
    !hasNumbers ||
    !hasTexts ||
    !Array.isArray(raw.labels)
  ) {
    throw new AgentError("endpoint-file", `${source} is no endpoint record of this release`);
  }
  return { ...(raw as unknown as EndpointRecord), addresses };
}

/** Records of agents that knew one family have `address`. Undefined for anything but addresses. */
function parseAddresses(raw: Readonly<Record<string, unknown>>): readonly IpAddress[] | undefined {
  const texts: readonly unknown[] = Array.isArray(raw.addresses) ? raw.addresses : [raw.address];
  const addresses = texts.flatMap((text) => (typeof text === "string" ? (IpAddress.tryParse(text) ?? []) : []));
  return addresses.length === texts.length && addresses.length > 0 ? addresses : undefined;
}

import { type IpFamily, IpPrefix } from "../lib/ip.js";
import type { FrontendTraits } from "./datapath-port.js";
import type { KubeService } from "./kubernetes.js";
import { type FrontendSite, isSurrogate } from "./load-balancing-frontends.js";
import { serviceFlag } from "./service-flag.js";
import { type FrontendType, type ServiceNode, type ServiceSettings, servicePortProtocols } from "./service-frontend.js";

/** What a Service says of all its frontends. */
export interface ServiceTraits {
  readonly affinityTimeoutSeconds: number;
  readonly isExternalLocal: boolean;
  readonly isInternalLocal: boolean;
  /** What the annotation says; undefined: as the node. */
  readonly algorithm: "random" | "maglev" | undefined;
  /** How packets from outside reach other nodes; undefined: as the node. */
  readonly forwarding: "snat" | "dsr" | undefined;
  readonly sourceRanges: readonly IpPrefix[];
  readonly hasSourceRanges: boolean;
  readonly refusesSourceRanges: boolean;
  readonly problems: readonly string[];
}

const ALGORITHM_ANNOTATION = "service.cilium.io/lb-algorithm";
const FORWARDING_ANNOTATION = "service.cilium.io/forwarding-mode";
const SOURCE_RANGES_ANNOTATION = "service.cilium.io/src-ranges-policy";
/** Upstream's annotations that change where packets go, of features that this version does not have. */
const LATER_ANNOTATIONS = ["lb-l7", "proxy-delegation", "node", "node-selector", "global", "affinity"];
/** KEP-1224's default. */
const DEFAULT_AFFINITY_SECONDS = 10_800;
/** 24 bits of the map's entry; Kubernetes allows a day. */
const MAX_AFFINITY_SECONDS = 0xff_ffff;

export function readServiceTraits(service: KubeService, settings: ServiceSettings): ServiceTraits {
  const { spec, metadata } = service;
  const { annotations = {} } = metadata;
  const problems = LATER_ANNOTATIONS.filter((word) => annotations[`service.cilium.io/${word}`] !== undefined).map(
    (word) => `annotation service.cilium.io/${word} is not supported by this version`,
  );
  const timeout = spec.sessionAffinityConfig?.clientIP?.timeoutSeconds || DEFAULT_AFFINITY_SECONDS;
  const written = spec.loadBalancerSourceRanges ?? [];
  return {
    affinityTimeoutSeconds: spec.sessionAffinity === "ClientIP" ? Math.min(timeout, MAX_AFFINITY_SECONDS) : 0,
    isExternalLocal: spec.externalTrafficPolicy === "Local",
    isInternalLocal: spec.internalTrafficPolicy === "Local",
    algorithm: readChoice(annotations, algorithmChoice, settings.lbAlgorithmAnnotation, problems),
    forwarding: readChoice(annotations, forwardingChoice, settings.lbModeAnnotation, problems),
    sourceRanges: written.flatMap((text) => parseSourceRange(text.trim(), problems)),
    // Ranges that are none let nobody in: a slip must not open the Service to everybody.
    hasSourceRanges: written.length > 0,
    refusesSourceRanges: annotations[SOURCE_RANGES_ANNOTATION]?.toLowerCase() === "deny",
    problems,
  };
}

/** Flags and all that goes with them, as upstream 1.20 sets them for each kind of frontend. */
export function traitsOfFrontend(
  site: Pick<FrontendSite, "type" | "address" | "protocol">,
  traits: ServiceTraits,
  node: ServiceNode,
): FrontendTraits {
  const { config } = node;
  const { type, address, protocol } = site;
  const checksSources =
    traits.hasSourceRanges && (type === "LoadBalancer" || type === "ExternalIPs" || config.lbSourceRangeAllTypes);
  const { isExternalLocal, isInternalLocal, algorithm } = traits;
  const isRoutable = !isSurrogate(address) && (type !== "ClusterIP" || config.lbExternalClusterIp);
  const flags = flagsOf([
    [typeFlag[type], true],
    [serviceFlag.externalLocalScope, isExternalLocal],
    [serviceFlag.internalLocalScope, isInternalLocal],
    [serviceFlag.twoScopes, isExternalLocal !== isInternalLocal && type !== "ClusterIP"],
    [serviceFlag.sessionAffinity, traits.affinityTimeoutSeconds > 0],
    [serviceFlag.routable, isRoutable],
    [serviceFlag.sourceRange, checksSources],
    [serviceFlag.quarantined, checksSources && traits.refusesSourceRanges],
    [serviceFlag.dsr, (traits.forwarding ?? forwardingOf(protocol, config)) === "dsr"],
  ]);
  return {
    flags,
    affinityTimeoutSeconds: traits.affinityTimeoutSeconds,
    algorithm: algorithm ?? "default",
    hasMaglevTable: hasMaglevTable(site, algorithm, config),
    sourceRanges: sourceRangesOf(traits, address.family),
    // Upstream: not of addresses that the node has itself, for the node's own ports would go.
    ownsAddress:
      type === "ClusterIP" || (type === "LoadBalancer" && !node.addresses.some((own) => own.equals(address))),
  };
}

/** Traits of what is no Service: no affinity, no policy, no ranges. */
export const plainTraits: ServiceTraits = {
  affinityTimeoutSeconds: 0,
  isExternalLocal: false,
  isInternalLocal: false,
  algorithm: undefined,
  forwarding: undefined,
  sourceRanges: [],
  hasSourceRanges: false,
  refusesSourceRanges: false,
  problems: [],
};

const typeFlag: Readonly<Record<FrontendType, number>> = {
  ClusterIP: 0,
  NodePort: serviceFlag.nodePort,
  LoadBalancer: serviceFlag.loadBalancer,
  ExternalIPs: serviceFlag.externalIp,
  HostPort: serviceFlag.hostPort,
};

function flagsOf(table: readonly (readonly [flag: number, isSet: boolean])[]): number {
  return table.reduce((flags, [flag, isSet]) => (isSet ? flags | flag : flags), 0);
}

/**
 * A table takes 64 KiB and its computation a millisecond: by default only what is reached from outside gets one, where
 * several nodes must agree. A Service that asks for the algorithm gets it for every address.
 */
function hasMaglevTable(
  { type, address }: Pick<FrontendSite, "type" | "address">,
  algorithm: ServiceTraits["algorithm"],
  config: ServiceSettings,
): boolean {
  if (isSurrogate(address)) return false;
  if (algorithm !== undefined) return algorithm === "maglev";
  return config.lbAlgorithm === "maglev" && (type !== "ClusterIP" || config.lbExternalClusterIp);
}

function sourceRangesOf({ sourceRanges }: ServiceTraits, family: IpFamily): readonly IpPrefix[] {
  return sourceRanges.filter((range) => range.address.family === family);
}

/** Hybrid: TCP tells the frontend in its SYN alone, of other protocols every packet would grow. */
function forwardingOf(protocol: number, { lbMode }: ServiceSettings): "snat" | "dsr" {
  if (lbMode === "hybrid") return protocol === servicePortProtocols.TCP ? "dsr" : "snat";
  return lbMode;
}

/** An annotation that takes one of two words, where a setting lets Services choose. */
interface AnnotatedChoice<T extends string> {
  readonly annotation: string;
  readonly words: readonly [T, T];
  /** The setting's key. */
  readonly allowedBy: string;
}

const algorithmChoice = {
  annotation: ALGORITHM_ANNOTATION,
  words: ["random", "maglev"],
  allowedBy: "bpf-lb-algorithm-annotation",
} as const;

const forwardingChoice = {
  annotation: FORWARDING_ANNOTATION,
  words: ["dsr", "snat"],
  allowedBy: "bpf-lb-mode-annotation",
} as const;

function readChoice<T extends string>(
  annotations: Readonly<Record<string, string>>,
  { annotation, words, allowedBy }: AnnotatedChoice<T>,
  isAllowed: boolean,
  problems: string[],
): T | undefined {
  const text = annotations[annotation];
  if (text === undefined) return undefined;
  const word = words.find((word) => word === text.toLowerCase());
  if (word === undefined) problems.push(`annotation ${annotation} takes ${words.join(" or ")}, not "${text}"`);
  else if (isAllowed) return word;
  else problems.push(`annotation ${annotation} has no effect while ${allowedBy} is false`);
  return undefined;
}

function parseSourceRange(text: string, problems: string[]): readonly IpPrefix[] {
  const range = IpPrefix.tryParse(text);
  if (range === undefined) problems.push(`loadBalancerSourceRanges: "${text}" is not an address prefix`);
  return range === undefined ? [] : [range];
}

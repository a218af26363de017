import type { IpAddress } from "../lib/ip.js";

/**
 * What a node's event stream carries, decoded: the records of the datapath's ring, what an upstream agent adds of its own
 * (agent notifications, access log records) and what the stream says of itself (loss). Numbers are as the record has them;
 * texts beside them are those of the release that sent it.
 */
export type MonitorRecord =
  | DropRecord
  | TraceRecord
  | PolicyVerdictRecord
  | DebugRecord
  | CaptureRecord
  | RecorderRecord
  | TraceSockRecord
  | AgentRecord
  | L7Record
  | LostRecord
  | UnknownRecord;

export type MonitorKind = MonitorRecord["kind"];

/** Upstream's names of the message types, as `--type` takes them, and the first byte of such a record. */
export const messageTypes = {
  drop: 1,
  debug: 2,
  capture: 3,
  trace: 4,
  "policy-verdict": 5,
  recorder: 6,
  "trace-sock": 7,
  l7: 129,
  agent: 130,
} as const;

export type MessageTypeName = keyof typeof messageTypes;

/** What drop, trace, verdict and capture records begin with (16 bytes). */
export interface CaptureHeader {
  /** Endpoint whose program sent it; 0 for the host's programs. */
  readonly source: number;
  /** Hash of the packet's flow. Upstream prints it as mark. */
  readonly hash: number;
  readonly originalLengthBytes: number;
  readonly capturedLengthBytes: number;
  readonly version: number;
}

/** `drop_notify` */
export interface DropHeader extends CaptureHeader {
  /** Positive code, see src/abi/drop-reasons.ts. */
  readonly reason: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  readonly destinationEndpoint: number;
  readonly line: number;
  /** Id of a source file, see src/abi/source-files.ts. */
  readonly file: number;
  /** Helper's error or the like, 0 for none. */
  readonly extendedError: number;
  readonly interfaceIndex: number;
  /** {@link packetFlag}; since 1.17. */
  readonly flags: number;
  /** Since 1.19; 0 for none. */
  readonly ipTraceId: bigint;
}

/** `trace_notify` */
export interface TraceHeader extends CaptureHeader {
  /** Index into `observationPoints`. */
  readonly observationPoint: number;
  readonly sourceIdentity: number;
  readonly destinationIdentity: number;
  /** Endpoint id; for `to-proxy` the proxy's port. */
  readonly destinationId: number;
  /** Index into `traceReasons`, with `traceReasonEncrypted`. */
  readonly reason: number;
  /** {@link packetFlag} */
  readonly flags: number;
  readonly interfaceIndex: number;
  /** Address before translation; all zeros when there was none. */
  readonly originalAddress: IpAddress;
  /** Since 1.19; 0 for none. */
  readonly ipTraceId: bigint;
}

/** `policy_verdict_notify` */
export interface PolicyVerdictHeader extends CaptureHeader {
  /** The other end's: the source of ingress, the destination of egress. */
  readonly remoteIdentity: number;
  /** 0 allowed, above a proxy port, below a drop code. */
  readonly verdict: number;
  /** Host order; the type for ICMP. */
  readonly destinationPort: number;
  /** IP protocol number. */
  readonly protocol: number;
  /** 1 ingress, 2 egress. */
  readonly direction: number;
  readonly isIpv6: boolean;
  /** Index into `policyMatchTypes`. */
  readonly matchType: number;
  readonly isAudited: boolean;
  /** The packet has no Ethernet header. Late 1.17 and since 1.19. */
  readonly isL3Device: boolean;
  readonly authType: number;
  /** Of the policy's log entry; since 1.19. */
  readonly cookie: number;
}

/** `debug_msg` */
export interface DebugHeader {
  readonly source: number;
  readonly hash: number;
  /** `DBG_*` */
  readonly code: number;
  readonly arg1: number;
  readonly arg2: number;
  readonly arg3: number;
}

/** `debug_capture_msg` */
export interface DebugCaptureHeader extends CaptureHeader {
  /** `DBG_CAPTURE_*` */
  readonly code: number;
  readonly arg1: number;
  readonly arg2: number;
}

/** `capture_msg` of upstream's recorder; up to 1.18. */
export interface RecorderHeader {
  /** 1 ingress, 2 egress. */
  readonly direction: number;
  readonly ruleId: number;
  /** CLOCK_BOOTTIME */
  readonly timestampNs: bigint;
  readonly capturedLengthBytes: number;
  readonly originalLengthBytes: number;
}

/** `trace_sock_notify` */
export interface TraceSockHeader {
  /** Index into `xlatePoints`. */
  readonly xlatePoint: number;
  /** IP protocol number, 0 for one that the record cannot name. */
  readonly protocol: number;
  readonly destination: IpAddress;
  readonly destinationPort: number;
  readonly socketCookie: bigint;
  readonly cgroupId: bigint;
}

/** Bits of `flags` in drop and trace records. */
export const packetFlag = { ipv6: 1, l3Device: 2, vxlan: 4, geneve: 8 } as const;

/** The bytes behind a header. */
export interface CapturedBytes {
  /**
   * All that follows the header in the record as it was delivered: the packet's first `capturedLengthBytes` bytes and,
   * from a perf ring, up to seven bytes of padding. Upstream dissects the padding too.
   */
  readonly data: Uint8Array;
}

export interface DropRecord extends DropHeader, CapturedBytes {
  readonly kind: "drop";
  /** `Policy denied`; the number where the release has no text. */
  readonly reasonText: string;
  /** `bpf_lxc.c`; `unknown(<id>)` as upstream prints it. */
  readonly fileName: string;
  /** The releases that this may be of name the file differently: `fileName` is the newest one's. */
  readonly isFileUncertain: boolean;
}

export interface TraceRecord extends TraceHeader, CapturedBytes {
  readonly kind: "trace";
  /** `to-endpoint`; the number where there is no name. */
  readonly observationPointName: string;
  /** `established`; the number where there is no name. */
  readonly reasonText: string;
  readonly isEncrypted: boolean;
}

export interface PolicyVerdictRecord extends PolicyVerdictHeader, CapturedBytes {
  readonly kind: "policy-verdict";
  readonly matchTypeText: string;
  /** Why it was denied, absent for other verdicts. */
  readonly reasonText?: string | undefined;
}

export interface DebugRecord extends DebugHeader {
  readonly kind: "debug";
  /** `DBG_CT_VERDICT`, as the datapath of the release numbers them; absent for codes that it lacks. */
  readonly codeName?: string | undefined;
  /** Of a conntrack verdict: what it decided. */
  readonly conntrackState?: string | undefined;
}

export interface CaptureRecord extends DebugCaptureHeader, CapturedBytes {
  readonly kind: "capture";
}

export interface RecorderRecord extends RecorderHeader, CapturedBytes {
  readonly kind: "recorder";
}

export interface TraceSockRecord extends TraceSockHeader {
  readonly kind: "trace-sock";
  /** `pre-xlate-fwd` */
  readonly xlatePointName: string;
}

/** A notification of an upstream agent. */
export interface AgentRecord {
  readonly kind: "agent";
  /** `AgentNotify*` */
  readonly code: number;
  /** `Endpoint created`; the number where the release has no text. */
  readonly text: string;
  /** A JSON document. */
  readonly json: string;
}

/** An entry of the proxies' access log (upstream's `accesslog.LogRecord`, with its values as they were sent). */
export interface L7Record {
  readonly kind: "l7";
  /** `Request`, `Response` or `Sample`. */
  readonly flowType: string;
  /** RFC 3339. */
  readonly timestamp: string;
  readonly node: { readonly ipv4: string; readonly ipv6: string };
  /** `Ingress` or `Egress`. */
  readonly observationPoint: string;
  readonly source: L7Endpoint;
  readonly destination: L7Endpoint;
  /** 0 IPv4, 1 IPv6. */
  readonly ipVersion: number;
  /** `Forwarded`, `Denied`, `Error` or `Redirected`. */
  readonly verdict: string;
  readonly info: string;
  readonly metadata: readonly string[];
  /** IP protocol number. */
  readonly transportProtocol: number;
  readonly flowEvent: string;
  readonly service?: { readonly name: string; readonly address: string; readonly port: number } | undefined;
  readonly dropReason?: number | undefined;
  readonly http?: L7Http | undefined;
  /** Up to 1.19. */
  readonly kafka?: L7Kafka | undefined;
  readonly dns?: L7Dns | undefined;
  readonly generic?: L7Generic | undefined;
}

export interface L7Endpoint {
  readonly id: number;
  readonly ipv4: string;
  readonly ipv6: string;
  readonly port: number;
  readonly identity: number;
  /** `source:key[=value]`; absent where the agent sent none. */
  readonly labels?: readonly string[] | undefined;
}

/** Header name → values; absent where the agent sent none. */
export type L7HttpHeaders = Readonly<Record<string, readonly string[]>> | undefined;

export interface L7Http {
  readonly code: number;
  readonly method: string;
  /** As text; absent where the agent sent none. */
  readonly url?: string | undefined;
  readonly protocol: string;
  readonly headers: L7HttpHeaders;
  readonly missingHeaders: L7HttpHeaders;
  readonly rejectedHeaders: L7HttpHeaders;
}

export interface L7Kafka {
  readonly errorCode: number;
  readonly apiVersion: number;
  readonly apiKey: string;
  readonly correlationId: number;
  readonly topic: string;
}

export interface L7Dns {
  readonly query: string;
  readonly addresses: readonly IpAddress[];
  readonly ttlSeconds: number;
  readonly cnames: readonly string[];
  /** `proxy` */
  readonly observationSource: string;
  readonly responseCode: number;
  /** Numbers of record types. */
  readonly questionTypes: readonly number[];
  readonly answerTypes: readonly number[];
}

export interface L7Generic {
  readonly protocol: string;
  /** Absent where the agent sent none. */
  readonly fields?: Readonly<Record<string, string>> | undefined;
}

/** Records that did not fit the ring. */
export interface LostRecord {
  readonly kind: "lost";
  readonly count: bigint;
}

/** A record of a type that nobody knows, or one that its layout does not fit. */
export interface UnknownRecord {
  readonly kind: "unknown";
  /** First byte, or the type of the payload where it is no sample. */
  readonly type: number;
  /** The whole record. */
  readonly bytes: Uint8Array;
  /** Why it could not be decoded; absent for an unknown type. */
  readonly error?: string | undefined;
}

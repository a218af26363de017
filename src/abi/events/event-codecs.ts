import {
  type DebugCaptureHeader,
  type DebugHeader,
  type DropHeader,
  messageTypes,
  type PolicyVerdictHeader,
  type RecorderHeader,
  type TraceHeader,
  type TraceSockHeader,
} from "../../model/monitor.js";
import { isReleaseSince } from "../../model/upstream-release.js";
import { AbiError, type Codec, checkBounds } from "../codec.js";
import { newestOf, type Release, type Releases, releases } from "../release.js";
import { createCaptureCodec, createDebugCodec, createRecorderCodec } from "./debug.js";
import { createDropCodec } from "./drop.js";
import { createPolicyVerdictCodec } from "./policy-verdict.js";
import { createOldTraceCodec, createTraceCodec } from "./trace.js";
import { createTraceSockCodec, traceSockRelease } from "./trace-sock.js";

/** A header, and what follows it: the packet's first bytes and whatever the ring padded the record with. */
export type DatapathEvent = { readonly [Kind in keyof EventHeaders]: EventOf<Kind> }[keyof EventHeaders];

interface EventOf<Kind extends keyof EventHeaders> {
  readonly kind: Kind;
  readonly header: EventHeaders[Kind];
  /** The record's bytes behind the header, not copied. */
  readonly rest: Uint8Array;
  /** Which of the releases in question send such a record; never empty. */
  readonly releases: Releases;
}

interface EventHeaders {
  readonly drop: DropHeader;
  readonly trace: TraceHeader;
  readonly "policy-verdict": PolicyVerdictHeader;
  readonly debug: DebugHeader;
  readonly capture: DebugCaptureHeader;
  readonly recorder: RecorderHeader;
  readonly "trace-sock": TraceSockHeader;
}

export interface EventCodecs {
  readonly drop: Codec<DropHeader>;
  readonly trace: Codec<TraceHeader>;
  readonly policyVerdict: Codec<PolicyVerdictHeader>;
  readonly debug: Codec<DebugHeader>;
  readonly capture: Codec<DebugCaptureHeader>;
  readonly recorder: Codec<RecorderHeader>;
  readonly traceSock: Codec<TraceSockHeader>;
  /**
   * Decodes one record of the datapath: drop and trace by the version in it, verdicts by its length, the rest by the
   * releases in question. Undefined for a type that the datapath does not send.
   * @throws AbiError `abi-size` for a record that is cut short, `abi-version` for an unknown version
   */
  decode(record: Uint8Array): DatapathEvent | undefined;
}

/**
 * Versions of drop and trace records: the releases that send them, the last one standing for their layout. The first version
 * of traces is older than all; every release's tool still reads it as if it were its own.
 */
const dropReleases: Readonly<Record<number, Releases>> = {
  0: ["1.14", "1.15", "1.16"],
  1: ["1.14", "1.15", "1.16"],
  2: ["1.17", "1.18"],
  3: ["1.19", "1.20"],
};
const traceReleases: Readonly<Record<number, Releases>> = {
  0: releases,
  1: ["1.14", "1.15", "1.16", "1.17", "1.18"],
  2: ["1.19", "1.20"],
};

/** The codecs of the newest of `candidates`; records of the others are told apart when they are decoded. */
export function createEventCodecs(candidates: Releases): EventCodecs {
  const newest = newestOf(candidates);
  const drops = perRelease(createDropCodec);
  const traces = perRelease(createTraceCodec);
  const oldTrace = createOldTraceCodec();
  const verdicts = perRelease(createPolicyVerdictCodec);
  const traceSocks = perRelease(createTraceSockCodec);
  const debug = createDebugCodec(newest);
  const capture = createCaptureCodec(newest);
  const recorder = createRecorderCodec();
  const recorderReleases = candidates.filter((candidate) => !isReleaseSince(candidate, "1.19"));
  const dropsOf = amongCandidates(candidates, dropReleases);
  const tracesOf = amongCandidates(candidates, traceReleases);
  const decoders: Readonly<Record<number, (record: Uint8Array) => DatapathEvent | undefined>> = {
    [messageTypes.drop]: (record) => {
      const releases = releasesOfVersion("drop", dropsOf, record);
      return eventOf("drop", drops(newestOf(releases)), record, releases);
    },
    [messageTypes.trace]: (record) => {
      const releases = releasesOfVersion("trace", tracesOf, record);
      const codec = record[14] === 0 ? oldTrace : traces(newestOf(releases));
      return eventOf("trace", codec, record, releases);
    },
    [messageTypes["policy-verdict"]]: (record) => {
      const releases = verdictReleases(candidates, record);
      return eventOf("policy-verdict", verdicts(newestOf(releases)), record, releases);
    },
    [messageTypes.debug]: (record) => eventOf("debug", debug, record, candidates),
    [messageTypes.capture]: (record) => eventOf("capture", capture, record, candidates),
    [messageTypes.recorder]: (record) => {
      if (recorderReleases.length === 0) return undefined;
      return eventOf("recorder", recorder, record, recorderReleases);
    },
    [messageTypes["trace-sock"]]: (record) => {
      const release = traceSockRelease(candidates, record);
      return eventOf("trace-sock", traceSocks(release), record, candidates);
    },
  };
  return {
    drop: drops(newest),
    trace: traces(newest),
    policyVerdict: verdicts(newest),
    debug,
    capture,
    recorder,
    traceSock: traceSocks(newest),
    decode(record) {
      checkBounds("event", record, 0, 1);
      return decoders[record[0]!]?.(record);
    },
  };
}

/** Those of the releases that are in question; all where none is. */
function amongCandidates(
  candidates: Releases,
  byVersion: Readonly<Record<number, Releases>>,
): Readonly<Record<number, Releases>> {
  const among = (releases: Releases): Releases => {
    const common = candidates.filter((candidate) => releases.includes(candidate));
    return common.length > 0 ? common : releases;
  };
  return Object.fromEntries(Object.entries(byVersion).map(([version, releases]) => [version, among(releases)]));
}

function eventOf<Kind extends keyof EventHeaders>(
  kind: Kind,
  codec: Codec<EventHeaders[Kind]>,
  record: Uint8Array,
  releases: Releases,
): EventOf<Kind> {
  return { kind, header: codec.decode(record), rest: record.subarray(codec.sizeBytes), releases };
}

/** The version is at byte 14 of the header in all releases; it grew from two bytes to one, with the same value. */
function releasesOfVersion(
  kind: "drop" | "trace",
  known: Readonly<Record<number, Releases>>,
  record: Uint8Array,
): Releases {
  checkBounds(`${kind} event`, record, 0, 16);
  const version = record[14]!;
  const found = known[version];
  if (found === undefined) {
    throw new AbiError("abi-version", `${version} is no known version of a ${kind} event`, {
      details: { kind, version },
    });
  }
  return found;
}

/** Length of a verdict's header since 1.19. Padding of a perf ring is shorter than the eight bytes that it grew by. */
const newVerdictBytes = 40;
const oldVerdictBytes = 32;

/** Both lengths have the same version: what of the record is not packet tells, unless the record was cut. */
function verdictReleases(candidates: Releases, record: Uint8Array): Releases {
  checkBounds("policy verdict event", record, 0, 16);
  const headerBytes = record.length - (record[12]! | (record[13]! << 8));
  if (headerBytes < oldVerdictBytes) return candidates;
  const isNew = headerBytes >= newVerdictBytes;
  const fitting = candidates.filter((release) => isReleaseSince(release, "1.19") === isNew);
  return fitting.length > 0 ? fitting : isNew ? ["1.19", "1.20"] : ["1.14", "1.15", "1.16", "1.17", "1.18"];
}

function perRelease<T>(create: (release: Release) => T): (release: Release) => T {
  const made = new Map<Release, T>();
  return (release) => {
    let codec = made.get(release);
    if (codec === undefined) {
      codec = create(release);
      made.set(release, codec);
    }
    return codec;
  };
}

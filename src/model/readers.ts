import type { CtDimension, CtGroupRow } from "./conntrack-groups.js";
import type { EventRow, EventsRequest } from "./event-stream.js";
import type { MaglevRow, SourceRangeRow } from "./lb-rows.js";
import type { ReleaseFinding } from "./list-status.js";
import type { MapEntriesRequest, MapEntryRow } from "./map-entries.js";
import type { NodeClock } from "./node-clock.js";
import type { MountRow, TemplateLineRow, TemplateRequest, TemplateRow } from "./node-files.js";
import type { PolicyRow } from "./policy-rows.js";
import type { RowBatch } from "./row-batch.js";
import type {
  CtDirection,
  CtMap,
  CtRow,
  CtState,
  FeatureRow,
  IpcacheRow,
  LbBackendRow,
  LbServiceRow,
  LocalEndpointRow,
  MapFillRow,
  MetricRow,
  RevNatRow,
  SockRevNatRow,
  TunnelRow,
} from "./rows.js";
import type { SmallMapRow } from "./small-maps/small-map.js";
import type { SocketRow } from "./sockets.js";
import type { LinkRow } from "./status-report.js";

/** What a node session can be asked for: reader name → request and row. Everything here can cross a byte stream. */
export interface ReaderCatalogue {
  readonly conntrack: { readonly request: ConntrackRequest; readonly row: CtRow };
  readonly "conntrack-groups": { readonly request: ConntrackGroupsRequest; readonly row: CtGroupRow };
  readonly "lb-services": { readonly request: FilteredRequest; readonly row: LbServiceRow };
  readonly "lb-backends": { readonly request: FilteredRequest; readonly row: LbBackendRow };
  readonly "lb-source-ranges": { readonly request: FilteredRequest; readonly row: SourceRangeRow };
  readonly "lb-reverse-nat": { readonly request: FilteredRequest; readonly row: RevNatRow };
  readonly "socket-reverse-nat": { readonly request: FilteredRequest; readonly row: SockRevNatRow };
  readonly maglev: { readonly request: MaglevRequest; readonly row: MaglevRow };
  readonly ipcache: { readonly request: IpcacheRequest; readonly row: IpcacheRow };
  readonly "local-endpoints": { readonly request: FilteredRequest; readonly row: LocalEndpointRow };
  readonly tunnels: { readonly request: FilteredRequest; readonly row: TunnelRow };
  readonly metrics: { readonly request: FilteredRequest; readonly row: MetricRow };
  readonly policy: { readonly request: PolicyRequest; readonly row: PolicyRow };
  readonly "small-map": { readonly request: SmallMapRequest; readonly row: SmallMapRow };
  readonly "map-entries": { readonly request: MapEntriesRequest; readonly row: MapEntryRow };
  readonly mounts: { readonly request: Readonly<Record<string, never>>; readonly row: MountRow };
  readonly templates: { readonly request: Readonly<Record<string, never>>; readonly row: TemplateRow };
  readonly "template-header": { readonly request: TemplateRequest; readonly row: TemplateLineRow };
  readonly maps: { readonly request: MapsRequest; readonly row: MapFillRow };
  readonly features: { readonly request: Readonly<Record<string, never>>; readonly row: FeatureRow };
  readonly links: { readonly request: Readonly<Record<string, never>>; readonly row: LinkRow };
  readonly events: { readonly request: EventsRequest; readonly row: EventRow };
  readonly sockets: { readonly request: SocketsRequest; readonly row: SocketRow };
}

export type ReaderName = keyof ReaderCatalogue;
export type ReaderRequest<Name extends ReaderName> = ReaderCatalogue[Name]["request"];
export type ReaderRow<Name extends ReaderName> = ReaderCatalogue[Name]["row"];

/**
 * What rows shall pass: every field that is set must hold, within a field any value may. Applied on the node, so that
 * only wanted rows travel; selectors are resolved to addresses before.
 */
export interface RowFilter {
  /** Canonical texts of addresses; one of the row's addresses must be among them. */
  readonly addresses?: readonly string[] | undefined;
  /** Canonical `address:port` texts of frontends and backends; one of the row's ends must be among them. */
  readonly transportAddresses?: readonly string[] | undefined;
  /** IP protocol numbers. */
  readonly protocols?: readonly number[] | undefined;
  /** Either end's port. */
  readonly ports?: readonly number[] | undefined;
  readonly identities?: readonly number[] | undefined;
  readonly states?: readonly CtState[] | undefined;
  readonly directions?: readonly string[] | undefined;
}

export interface FilteredRequest {
  readonly filter?: RowFilter | undefined;
}

/** Which conntrack entries, by the node's clock; each as far as the maps' times tell. */
export interface CtTimes {
  /** Only those whose lifetime is over. */
  readonly isExpired?: boolean | undefined;
  /** Only those of which a packet was reported within so many seconds. */
  readonly seenWithinSeconds?: number | undefined;
}

export interface ConntrackRequest extends FilteredRequest {
  readonly times?: CtTimes | undefined;
  /** Only those that come within so many milliseconds: the maps are read twice. */
  readonly arrivalsMs?: number | undefined;
  /** Default: every conntrack map that the node has. */
  readonly maps?: readonly CtMap[] | undefined;
  readonly directions?: readonly CtDirection[] | undefined;
  /** Instead of the node's own maps those for other clusters: for these, or all. */
  readonly clusters?: { readonly ids?: readonly number[] | undefined } | undefined;
}

export interface MaglevRequest extends FilteredRequest {
  /** Only the tables of this service id. */
  readonly revNatId?: number | undefined;
}

export interface ConntrackGroupsRequest extends ConntrackRequest {
  readonly by: readonly CtDimension[];
  /** Groups that are counted apart at most. */
  readonly maxGroups?: number | undefined;
}

export interface IpcacheRequest extends FilteredRequest {
  /** Canonical address text: only the longest prefix that holds it, as the datapath would look it up. */
  readonly lookup?: string | undefined;
}

export interface PolicyRequest extends FilteredRequest {
  /** Ask the node's own agent for the labels of identities: those of CIDRs mean something on one node only. */
  readonly hasLabels?: boolean | undefined;
  /** Default: every endpoint of the node. */
  readonly endpointIds?: readonly number[] | undefined;
}

export interface MapsRequest {
  /** Only maps whose pin name contains this. */
  readonly nameContains?: string | undefined;
  /** Count the entries of each map, which reads its keys; or estimate the number in large ones, from a part of them. */
  readonly countEntries: boolean | "estimate";
  /** Also those that are pinned elsewhere on the BPF file system, named by their paths below it. */
  readonly isEverywhere?: boolean | undefined;
}

export interface SmallMapRequest extends FilteredRequest {
  /** Name of its declaration (src/model/small-maps). */
  readonly map: string;
  /** Of maps in maps: only those under these keys, by their text. Default: all. */
  readonly outerKeys?: readonly string[] | undefined;
}

export interface SocketsRequest {
  /** Canonical texts of pod addresses whose network namespaces are looked into; host namespace excluded. */
  readonly addresses: readonly string[];
}

/** Batches of rows; returns how the stream ended. */
export type RowStream<Row> = AsyncGenerator<RowBatch<Row>, Completeness>;

/** What is true of a node while its session lasts. */
export interface NodeFacts {
  readonly name: string;
  /** `uname -r` */
  readonly kernelRelease: string;
  /** Mount point of the BPF file system, as this process sees it. */
  readonly bpffs: string;
  /** When the session was opened. */
  readonly clock: NodeClock;
}

/** How a stream ended. */
export interface Completeness {
  readonly state: "complete" | "partial";
  /** Why it is partial. */
  readonly reason?: string;
  /** Entries read before filters. */
  readonly rowsRead: number;
  /** How often a reader had to start a map again because its cursor's key vanished. */
  readonly restarts: number;
  /** The longest time that one system call of the reading held a CPU. */
  readonly longestSliceMs?: number;
  /** How many kernel maps were read. */
  readonly mapsRead: number;
  /** Names of those that had no entry. */
  readonly emptyMaps?: readonly string[];
  readonly release?: ReleaseFinding | undefined;
  /** What could not be decided while reading, in words for the footer. */
  readonly notes?: readonly string[];
}

import type { MapFill } from "../../model/datapath-port.js";
import { policyMapName } from "../../model/policy-map-name.js";
import type { AgentRuntime } from "../agent-runtime.js";
import type { AddressPool } from "../ipam/address-pool.js";
import type { ReportSources } from "../report-sources.js";
import type { MetricFamily, MetricSample } from "./metrics-text.js";

/** Metrics of the agent; names of upstream where upstream has the metric, `cilium_ts_*` otherwise. */
export async function collectMetrics(
  sources: ReportSources,
  runtime: AgentRuntime | undefined,
): Promise<readonly MetricFamily[]> {
  return [...processMetrics(sources), ...(runtime === undefined ? [] : await runtimeMetrics(runtime))];
}

function familyLabel({ prefix }: AddressPool): Readonly<Record<string, string>> {
  return { family: `ipv${prefix.address.family}` };
}

function processMetrics({ monitor, status, starts, options }: ReportSources): readonly MetricFamily[] {
  const facts = monitor.read();
  const subsystems = status.subsystems().map(({ name, state }) => ({ labels: { name, state }, value: 1 }));
  return [
    gauge("cilium_version", "Version of the agent", [{ labels: { version: options.version }, value: 1 }]),
    gauge("process_resident_memory_bytes", "Resident memory", [{ value: facts.rssBytes }]),
    counter("process_cpu_seconds_total", "User and system time", [{ value: facts.cpuSeconds }]),
    gauge("cilium_ts_event_loop_delay_p99_seconds", "99th percentile of the event loop's delay in this window", [
      { value: facts.eventLoopDelayP99Ms / 1000 },
    ]),
    counter("cilium_ts_agent_starts_total", "Starts of the agent on its run directory", [{ value: starts }]),
    gauge("cilium_ts_subsystem_state", "State of each part of the agent", subsystems),
    gauge("cilium_ts_problems", "Problems that GET /v1/status tells in words", [{ value: status.problems().length }]),
  ];
}

async function runtimeMetrics(runtime: AgentRuntime): Promise<readonly MetricFamily[]> {
  const { table, pools, services, conntrack, drops, events, datapath } = runtime;
  const states = new Map<string, number>();
  for (const { state } of table.list()) states.set(state, (states.get(state) ?? 0) + 1);
  const { counts } = services;
  const maps = [...(await datapath.readMapFill()), ...fullestPolicy(runtime)];
  return [
    gauge(
      "cilium_endpoint_state",
      "Endpoints by state",
      [...states].map(([state, value]) => ({ labels: { endpoint_state: state }, value })),
    ),
    gauge(
      "cilium_ip_addresses",
      "Addresses of pods in use",
      pools.pools.map((pool) => ({ labels: familyLabel(pool), value: pool.usedCount })),
    ),
    gauge(
      "cilium_ipam_capacity",
      "Addresses of the node's podCIDR",
      pools.pools.map((pool) => ({ labels: familyLabel(pool), value: pool.capacity })),
    ),
    gauge("cilium_ts_frontends", "Frontends in the maps", [{ value: counts.frontends }]),
    gauge("cilium_ts_backends", "Backends in the maps", [
      { labels: { state: "used" }, value: counts.backends - counts.lingeringBackends },
      { labels: { state: "lingering" }, value: counts.lingeringBackends },
    ]),
    counter("cilium_ts_conntrack_gc_runs_total", "Collections of conntrack entries", [
      { value: conntrack.totals.runs },
    ]),
    counter("cilium_ts_conntrack_gc_deleted_total", "Conntrack entries collected", [
      { value: conntrack.totals.deleted },
    ]),
    counter("cilium_ts_drop_events_total", "Drop events read", [{ value: drops.totals.seen }]),
    counter("cilium_ts_trace_events_total", "Trace events read", [{ value: drops.totals.traces }]),
    counter("cilium_ts_events_lost_total", "Events that found the ring full", [{ value: drops.totals.lost }]),
    gauge("cilium_ts_event_subscribers", "Who reads the events now", [{ value: events.totals.subscribers }]),
    counter("cilium_ts_events_undelivered_total", "Events that subscribers were too slow for", [
      { value: Number(events.totals.lost) },
    ]),
    gauge(
      "cilium_bpf_map_pressure",
      "Share of a map's entries in use",
      maps.map(({ name, entries, maxEntries }) => ({ labels: { map_name: name }, value: entries / maxEntries })),
    ),
    ...packetMetrics(datapath.readMetrics()),
  ];
}

/** Of hundreds of policy maps the one that counts. */
function fullestPolicy({ policies, table, config }: AgentRuntime): readonly MapFill[] {
  const maxEntries = config.policyMapMax;
  const fills = table.list().map(({ endpointId }) => {
    const entries = policies.endpoints.policyOf(endpointId)?.entries.length ?? 0;
    return { name: policyMapName(endpointId), entries, maxEntries };
  });
  return fills.sort((a, b) => b.entries - a.entries).slice(0, 1);
}

function packetMetrics(rows: ReturnType<AgentRuntime["datapath"]["readMetrics"]>): readonly MetricFamily[] {
  const forwarded = rows.filter((row) => row.reason === 0);
  // Below 130 a reason says what was done with a packet that went on (upstream, bpf/lib/drop_reasons.h).
  const dropped = rows.filter((row) => row.reason >= 130);
  const dropLabels = (row: (typeof rows)[number]): NonNullable<MetricSample["labels"]> => ({
    reason: row.reasonText,
    direction: row.direction.toUpperCase(),
    file: row.file,
    line: row.line,
  });
  const sum = (direction: string, value: (row: (typeof rows)[number]) => bigint): bigint =>
    forwarded.filter((row) => row.direction === direction).reduce((total, row) => total + value(row), 0n);
  const directions = [...new Set(forwarded.map((row) => row.direction))];
  const byDirection = (value: (row: (typeof rows)[number]) => bigint): readonly MetricSample[] =>
    directions.map((direction) => ({ labels: { direction: direction.toUpperCase() }, value: sum(direction, value) }));
  return [
    counter(
      "cilium_forward_count_total",
      "Packets forwarded",
      byDirection((row) => row.packets),
    ),
    counter(
      "cilium_forward_bytes_total",
      "Bytes forwarded",
      byDirection((row) => row.bytes),
    ),
    counter(
      "cilium_drop_count_total",
      "Packets dropped",
      dropped.map((row) => ({ labels: dropLabels(row), value: row.packets })),
    ),
    counter(
      "cilium_drop_bytes_total",
      "Bytes dropped",
      dropped.map((row) => ({ labels: dropLabels(row), value: row.bytes })),
    ),
  ];
}

function gauge(name: string, help: string, samples: readonly MetricSample[]): MetricFamily {
  return { name, help, type: "gauge", samples };
}

function counter(name: string, help: string, samples: readonly MetricSample[]): MetricFamily {
  return { name, help, type: "counter", samples };
}

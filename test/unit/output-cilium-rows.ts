import { createAbi } from "../../src/abi/abi.js";
import { readCtColumns } from "../../src/abi/conntrack-columns.js";
import { createRecordDecoder } from "../../src/abi/events/record-decoder.js";
import type { LbFamilyCodecs, ServiceKey } from "../../src/abi/load-balancing.js";
import { createMonitorEvent } from "../../src/model/create-monitor-event.js";
import type { ListStatus } from "../../src/model/list-status.js";
import type { MonitorEvent } from "../../src/model/monitor-event.js";
import type { NodeClock } from "../../src/model/node-clock.js";
import {
  type CtMap,
  type CtRow,
  ctMaps,
  type IpcacheRow,
  type L4Address,
  type LbBackendRow,
  type LbServiceRow,
  type LocalEndpointRow,
  type MetricRow,
  type RevNatRow,
} from "../../src/model/rows.js";
import { readCapture, readCapturedMap } from "./abi-capture-files.js";

/** The rows of the captured maps, decoded. */
const abi = createAbi("1.20");

export const wholeStatus: ListStatus = { state: "complete", rowsRead: 0, restarts: 0, nodes: [] };

const ctMapNames: Readonly<Record<CtMap, string>> = {
  tcp4: "cilium_ct4_global",
  any4: "cilium_ct_any4_global",
  tcp6: "cilium_ct6_global",
  any6: "cilium_ct_any6_global",
};

export function ctRows(clock?: NodeClock): readonly CtRow[] {
  const { conntrack } = abi;
  return ctMaps.flatMap((map) => {
    const { entries } = readCapturedMap(ctMapNames[map]);
    const keys = Buffer.concat(entries.map(({ key }) => key));
    const values = Buffer.concat(entries.map(({ value }) => value));
    const head = { map, node: undefined, clock };
    return [...readCtColumns(conntrack, head, { keys, values, count: entries.length })];
  });
}

/** Of a node whose maps may be of releases that differ in everything that can differ. */
export function unknownCtRows(): readonly CtRow[] {
  const unknownFields = ["rxPackets", "rxBytes", "backendId", "natPort", "interfaceIndex"];
  const layout = { release: "1.20" as const, hasRxCounters: false, unknownFields };
  return ctRows().map((row) => ({ ...row, layout }));
}

export function ipcacheRows(): readonly IpcacheRow[] {
  const { key, value, row } = abi.ipcache;
  return readCapturedMap("cilium_ipcache_v2").entries.map((entry) =>
    row(key.decode(entry.key), value.decode(entry.value)),
  );
}

export function localEndpointRows(): readonly LocalEndpointRow[] {
  const { key, value, row } = abi.endpoints;
  return readCapturedMap("cilium_lxc").entries.map((entry) => row(key.decode(entry.key), value.decode(entry.value)));
}

export function metricRows(): readonly MetricRow[] {
  const { metrics } = abi;
  return readCapturedMap("cilium_metrics").entries.map(({ key, value }) =>
    metrics.row(metrics.key.decode(key), metrics.sumPerCpu(value, 0, value.length)),
  );
}

const families: readonly (readonly ["lb4" | "lb6", LbFamilyCodecs])[] = [
  ["lb4", abi.loadBalancing.v4],
  ["lb6", abi.loadBalancing.v6],
];

export function backendRows(): readonly LbBackendRow[] {
  const { loadBalancing } = abi;
  return families.flatMap(([family, codecs]) =>
    readCapturedMap(`cilium_${family}_backends_v3`).entries.map(({ key, value }) =>
      loadBalancing.backendRow(loadBalancing.backendId.decode(key), codecs.backendValue.decode(value)),
    ),
  );
}

export function revNatRows(): readonly RevNatRow[] {
  const { loadBalancing } = abi;
  return families.flatMap(([family, codecs]) =>
    readCapturedMap(`cilium_${family}_reverse_nat`).entries.map(({ key, value }) =>
      loadBalancing.revNatRow(loadBalancing.revNatId.decode(key), codecs.revNatValue.decode(value)),
    ),
  );
}

export function serviceEntryRows(): readonly LbServiceRow[] {
  const backends = new Map(backendRows().map((row): [number, L4Address] => [row.backendId, row]));
  return families.flatMap(([family, codecs]) =>
    readCapturedMap(`cilium_${family}_services_v2`).entries.map((entry) => {
      const key: ServiceKey = codecs.serviceKey.decode(entry.key);
      const value = codecs.serviceValue.decode(entry.value);
      return abi.loadBalancing.serviceRow(key, value, key.slot === 0 ? undefined : backends.get(value.union0));
    }),
  );
}

/** The events of the captured ring, decoded. */
export function monitorEvents(): readonly MonitorEvent[] {
  const decoder = createRecordDecoder(["1.20"]);
  const lines = readCapture("events/raw-events.jsonl").trim().split("\n");
  return lines.map((line) => {
    const { cpu, hex } = JSON.parse(line) as { readonly cpu: number; readonly hex: string };
    const { record, release } = decoder.decode(Buffer.from(hex, "hex"));
    return createMonitorEvent(record, { release, cpu, receivedAtMs: Date.UTC(2026, 10, 21) });
  });
}

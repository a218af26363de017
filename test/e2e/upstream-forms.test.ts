import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { releases } from "../../src/abi/release.js";
import { listIpcache, listLocalEndpoints, listTunnels } from "../../src/actions/list-addresses.js";
import { listConntrack } from "../../src/actions/list-conntrack.js";
import {
  listLbBackends,
  listLbServices,
  listMaglev,
  listReverseNat,
  listSourceRanges,
} from "../../src/actions/list-load-balancing.js";
import { listMetrics } from "../../src/actions/list-node-facts.js";
import { listPolicy } from "../../src/actions/list-policy.js";
import { listSmallMap } from "../../src/actions/list-small-map.js";
import { listSocketReverseNat } from "../../src/actions/list-socket-reverse-nat.js";
import { openTarget, type Target } from "../../src/actions/open-target.js";
import type { RowList } from "../../src/actions/row-list.js";
import { IpAddress } from "../../src/lib/ip.js";
import { ipmasqMap } from "../../src/model/small-maps/ipmasq.js";
import { nodeIdMap } from "../../src/model/small-maps/node-id.js";
import type { SmallMap, SmallMapRow } from "../../src/model/small-maps/small-map.js";
import type { ListFormat } from "../../src/output/list-format.js";
import { conntrackList } from "../../src/output/lists/conntrack-list.js";
import { ipcacheAnswer, ipcacheList, localEndpointList, tunnelList } from "../../src/output/lists/endpoint-lists.js";
import {
  lbBackendList,
  lbFrontendList,
  lbServiceList,
  revNatList,
  sourceRangeList,
} from "../../src/output/lists/load-balancing-lists.js";
import { maglevList } from "../../src/output/lists/maglev-list.js";
import { metricsList } from "../../src/output/lists/metrics-list.js";
import { sockRevNatList } from "../../src/output/lists/node-lists.js";
import { policyList } from "../../src/output/lists/policy-list.js";
import { smallMapList } from "../../src/output/lists/small-map-list.js";
import { parseOutput } from "../../src/output/output-format.js";
import { printList } from "../../src/output/printer.js";
import { MapNode } from "../support/map-node.js";
import { capturedMapNames, captureExists, joinText } from "../unit/abi-capture-files.js";

type Print = (target: Target, output: "cilium" | "cilium-json") => Promise<string>;
const options = { signal: new AbortController().signal, isNamed: false };

function listing<Row>(format: ListFormat<Row>, open: (target: Target) => RowList<Row> | Promise<RowList<Row>>): Print {
  return async (target, output) => {
    const { rows, status } = await open(target);
    return joinText(printList(format, rows, status, { output: parseOutput(output) }));
  };
}

/** What upstream's tool printed → how we print it. */
const lists: readonly (readonly [file: string, print: Print])[] = [
  ["bpf-lb-list", listing(lbServiceList, (target) => listLbServices(target, {}, options))],
  ["bpf-lb-list-frontends", listing(lbFrontendList, (target) => listLbServices(target, {}, options))],
  ["bpf-lb-list-backends", listing(lbBackendList, (target) => listLbBackends(target, {}, options))],
  ["bpf-lb-list-revnat", listing(revNatList, (target) => listReverseNat(target, {}, options))],
  ["bpf-lb-list-source-ranges", listing(sourceRangeList, (target) => listSourceRanges(target, {}, options))],
  ["bpf-lb-maglev-list", listing(maglevList, (target) => listMaglev(target, {}, options))],
  ["bpf-lb-maglev-get", listing(maglevList, (target) => listMaglev(target, { revNatId: 3 }, options))],
  ["bpf-socknat-list", listing(sockRevNatList, (target) => listSocketReverseNat(target, {}, options))],
  ["bpf-ipmasq-list", smallMap(ipmasqMap)],
  ["bpf-nodeid-list", smallMap(nodeIdMap)],
  ["bpf-ct-list-global", listing(conntrackList, (target) => listConntrack(target, {}, options))],
  ["bpf-endpoint-list", listing(localEndpointList, (target) => listLocalEndpoints(target, {}, options))],
  ["bpf-ipcache-list", listing(ipcacheList, (target) => listIpcache(target, {}, options))],
  ["bpf-tunnel-list", listing(tunnelList, (target) => listTunnels(target, {}, options))],
  ["bpf-metrics-list", listing(metricsList, (target) => listMetrics(target, {}, options))],
  ["bpf-policy-get-all-n", policyOf()],
  ["bpf-policy-get", policyOf(42)],
  ["bpf-policy-get-empty", policyOf(7)],
];

function smallMap<Row extends SmallMapRow>(map: SmallMap<Row>): Print {
  return listing(smallMapList(map), (target) => listSmallMap(target, map, {}, { ...options, isNamed: false }));
}

function policyOf(endpoint?: number): Print {
  const endpointIds = endpoint === undefined ? [] : [endpoint];
  return listing(policyList({ isAll: endpoint === undefined, isNumeric: true }), (target) =>
    listPolicy(target, { endpointIds, isNumeric: true }, options),
  );
}

function sortedLines(text: string): readonly string[] {
  return text.split("\n").sort();
}

/** Arrays without an order: ours is by key, upstream's by chance. Digits that a number would round stay. */
function unordered(json: string): unknown {
  const sort = (value: unknown): unknown => {
    if (Array.isArray(value)) return value.map((item) => JSON.stringify(sort(item))).sort();
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, sort(part)]));
  };
  return sort(JSON.parse(json.replaceAll(/(: |^ +)(\d{16,})/gm, '$1"$2"')));
}

const filled = releases.filter((release) => release !== "1.20" && captureExists("maps", release));

describe.each(filled)("maps in the layout of %s print what that release's own tool printed of them", (release) => {
  let node: MapNode;
  let target: Target | undefined;
  beforeAll(async () => {
    node = await MapNode.start();
    for (const name of capturedMapNames(release)) node.pinCapture(name, release);
    target = await openTarget({ lab: node.lab, release });
  });
  afterAll(async () => {
    await target?.[Symbol.asyncDispose]();
    node[Symbol.dispose]();
  });

  const files = lists.filter(([file]) => captureExists(`out/${file}.txt`, release));
  const isAsked = captureExists("out/bpf-ipcache-get.txt", release);
  test.each(isAsked ? ["10.0.0.8"] : [])("bpf-ipcache-get of %s", async (address) => {
    const print = listing(ipcacheAnswer(IpAddress.parse(address)), (from) =>
      listIpcache(from, { lookup: address }, options),
    );
    expect(await print(target!, "cilium")).toBe(node.captureOutput("bpf-ipcache-get.txt", release));
  });

  test.each(files)("%s: text, blanks included", async (file, print) => {
    const text = await print(target!, "cilium");
    expect(sortedLines(text)).toEqual(sortedLines(node.captureOutput(`${file}.txt`, release)));
  });

  const jsonFiles = lists.filter(([file]) => captureExists(`out/${file}.json`, release));
  test.each(jsonFiles)("%s: json", async (file, print) => {
    const text = await print(target!, "cilium-json");
    expect(unordered(text)).toEqual(unordered(node.captureOutput(`${file}.json`, release)));
  });
});

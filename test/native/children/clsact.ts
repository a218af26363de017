/** Runs inside a network namespace: clsact filters of ours beside a foreign one; prints what the kernel answered. */
import { execFileSync } from "node:child_process";
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BpfObject } from "../../../src/kernel/bpf-object.js";
import { interfaceIndex } from "../../../src/kernel/net.js";
import { attachClsact, detachClsact, listTcFilters, removeClsact } from "../../../src/kernel/tc-filter.js";

const [objectPath = ""] = process.argv.slice(2);
const object = BpfObject.open(objectPath);
using inner = BpfMap.create({ type: "array", name: "inner", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1 });
object.setInnerMap("policies", inner);
object.load();
using program = object.program("sample_tc");
using other = object.program("sample_next");
const ifindex = interfaceIndex("left") ?? 0;
const position = { ifindex, direction: "ingress", priority: 7, handle: 3 } as const;

const beforeQdisc = listTcFilters(ifindex, "ingress");
const detachedNothing = detachClsact(position);
const first = attachClsact({ ...position, program });
execFileSync("tc", [
  "filter",
  "add",
  "dev",
  "left",
  "ingress",
  "prio",
  "9",
  "protocol",
  "ip",
  "u32",
  "match",
  "u32",
  "0",
  "0",
]);
let taken = "no error";
try {
  attachClsact({ ...position, program: other });
} catch (error) {
  taken = (error as { details: { errno: string } }).details.errno;
}
const second = attachClsact({ ...position, program: other, replace: true });
const filters = listTcFilters(ifindex, "ingress");
const egress = listTcFilters(ifindex, "egress");
const detached = detachClsact(position);
const detachedAgain = detachClsact(position);
const left = listTcFilters(ifindex, "ingress");
const removed = removeClsact(ifindex);
const removedAgain = removeClsact(ifindex);
process.stdout.write(
  JSON.stringify({
    ids: { program: program.id, other: other.id },
    ifindex,
    beforeQdisc,
    detachedNothing,
    first,
    taken,
    second,
    filters,
    egress,
    detached,
    detachedAgain,
    left,
    removed,
    removedAgain,
    qdiscs: execFileSync("tc", ["qdisc", "show", "dev", "left"], { encoding: "utf8" }),
  }),
);

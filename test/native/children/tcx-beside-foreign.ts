/**
 * Runs inside a network namespace with a veth pair: a foreign tcx program is attached, then ours beside it, replaced,
 * pinned, opened again and detached; prints what the kernel answered after each step.
 */
import { execFileSync } from "node:child_process";
import { BpfLink } from "../../../src/kernel/bpf-link.js";
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BpfObject } from "../../../src/kernel/bpf-object.js";
import { queryTcx } from "../../../src/kernel/hook-query.js";
import { interfaceIndex, interfaceMac, interfaceName } from "../../../src/kernel/net.js";

const [objectPath = "", bpffs = ""] = process.argv.slice(2);

function load(): BpfObject {
  const object = BpfObject.open(objectPath);
  using inner = BpfMap.create({ type: "array", name: "inner", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1 });
  object.setInnerMap("policies", inner);
  object.load();
  return object;
}

const foreign = load();
const ours = load();
const newer = load();
const ifindex = interfaceIndex("left") ?? 0;
const hook = { ifindex, direction: "ingress" } as const;

function counter(object: BpfObject, slot: number): number {
  using counters = object.map("counters");
  const key = Buffer.alloc(4);
  key.writeUInt32LE(slot);
  return Number(counters.lookup(key)?.readBigUInt64LE() ?? -1n);
}

/** A datagram out of `right` arrives at `left`; tells which of the three programs saw it. */
function sendAndCount(): { foreign: number; ours: number; newer: number } {
  const before = [counter(foreign, 1), counter(ours, 1), counter(newer, 1)];
  execFileSync("bash", ["-c", "echo x >/dev/udp/10.9.0.2/9"]);
  const deadline = performance.now() + 5000;
  while (counter(foreign, 1) === before[0] && performance.now() < deadline);
  const after = [counter(foreign, 1), counter(ours, 1), counter(newer, 1)];
  const [foreignDelta = 0, oursDelta = 0, newerDelta = 0] = after.map((value, index) =>
    Math.sign(value - (before[index] ?? 0)),
  );
  return { foreign: foreignDelta, ours: oursDelta, newer: newerDelta };
}

function refusal(call: () => unknown): string {
  try {
    call();
    return "no error";
  } catch (error) {
    return (error as { details: { errno: string } }).details.errno;
  }
}

execFileSync("ip", ["addr", "add", "10.9.0.1/24", "dev", "right"]);
execFileSync("ip", ["neigh", "replace", "10.9.0.2", "lladdr", "02:00:00:00:00:01", "dev", "right"]);
const foreignProgram = foreign.program("sample_next");
const program = ours.program("sample_next");
const newerProgram = newer.program("sample_next");
const foreignLink = BpfLink.attachTcx({ ...hook, program: foreignProgram });
const before = queryTcx(ifindex, "ingress");
const link = BpfLink.attachTcx({
  ...hook,
  program,
  before: { programId: foreignProgram.id },
  expectedRevision: before.revision,
});
const stale = refusal(() => BpfLink.attachTcx({ ...hook, program: newerProgram, expectedRevision: before.revision }));
const order = queryTcx(ifindex, "ingress").programs;
const bothRun = sendAndCount();
link.update(newerProgram);
const afterUpdate = sendAndCount();
const path = `${bpffs}/tcx-link`;
link.pin(path);
const { info } = link;
link.close();
const whilePinned = sendAndCount();
const reopened = BpfLink.openPinned(path);
const reopenedInfo = reopened.info;
reopened.update(program);
const afterReopen = sendAndCount();
reopened.unpin(path);
reopened.close();
const afterClose = sendAndCount();
const left = queryTcx(ifindex, "ingress").programs;
const detached = BpfLink.attachTcx({ ...hook, program, before: "all" });
const headOrder = queryTcx(ifindex, "ingress").programs.map((entry) => entry.programId === program.id);
detached.detach();
const detachedIfindex = detached.info.ifindex;
const missing = refusal(() => BpfLink.attachTcx({ ifindex: 4000, direction: "egress", program }));
const wrongType = refusal(() => BpfLink.attachTcx({ ...hook, program: ours.program("sample_connect4") }));

const toJson = (value: unknown) => JSON.stringify(value, (_, item) => (typeof item === "bigint" ? String(item) : item));
process.stdout.write(
  toJson({
    ids: {
      foreign: foreignProgram.id,
      ours: program.id,
      newer: newerProgram.id,
      link: info.id,
      foreignLink: foreignLink.id,
    },
    mac: interfaceMac("right")?.toString("hex"),
    leftMac: interfaceMac("left")?.toString("hex"),
    noMac: interfaceMac("nothing") === undefined,
    name: interfaceName(ifindex),
    ifindex,
    stale,
    order,
    bothRun,
    afterUpdate,
    info,
    whilePinned,
    reopenedInfo,
    afterReopen,
    afterClose,
    left,
    headOrder,
    detachedIfindex,
    missing,
    wrongType,
  }),
);

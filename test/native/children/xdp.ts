/**
 * Runs inside a network namespace with a veth pair: XDP programs come to `left`, see a datagram, are replaced in place,
 * pinned, opened again and go; prints what the kernel answered.
 */
import { execFileSync } from "node:child_process";
import { BpfLink } from "../../../src/kernel/bpf-link.js";
import { BpfObject } from "../../../src/kernel/bpf-object.js";
import { interfaceIndex } from "../../../src/kernel/net.js";

const [objectPath = "", bpffs = ""] = process.argv.slice(2);
const object = BpfObject.open(objectPath);
object.load();
const program = object.program("kinds_xdp");
const drop = object.program("kinds_xdp_drop");
const tc = object.program("kinds_perf");
const ifindex = interfaceIndex("left") ?? 0;

/** Whether a datagram out of `right` runs the first program, which notes it; waits for it where that is expected. */
function send(isExpected: boolean): { noted: boolean } {
  using seen = object.map("seen");
  const slot = Buffer.alloc(4);
  seen.update(slot, Buffer.alloc(8));
  execFileSync("bash", ["-c", "echo x >/dev/udp/10.9.0.2/9"]);
  const isNoted = () => seen.lookup(slot)?.readBigUInt64LE() === 1n;
  for (const deadline = performance.now() + 5000; isExpected && !isNoted() && performance.now() < deadline; );
  return { noted: isNoted() };
}

function refusal(call: () => unknown): string {
  try {
    call();
    return "no error";
  } catch (error) {
    const { code, details } = error as { code: string; details: { errno?: string } };
    return `${code} ${details.errno ?? ""}`.trim();
  }
}

execFileSync("ip", ["addr", "add", "10.9.0.1/24", "dev", "right"]);
execFileSync("ip", ["neigh", "replace", "10.9.0.2", "lladdr", "02:00:00:00:00:01", "dev", "right"]);
const without = send(false);
const link = await BpfLink.attachXdpAsync({ program, ifindex, mode: "generic" });
const info = link.info;
const attached = send(true);
const refused = {
  second: refusal(() => BpfLink.attachXdp({ program: drop, ifindex, mode: "generic" })),
  wrongType: refusal(() => BpfLink.attachXdp({ program: tc, ifindex: interfaceIndex("right") ?? 0 })),
  noDevice: refusal(() => BpfLink.attachXdp({ program, ifindex: 0x7ffffff0 })),
  badMode: refusal(() => BpfLink.attachXdp({ program, ifindex, mode: "offload" as "driver" })),
};
link.update(drop);
const replaced = { ...send(false), programIsNew: link.info.programId === drop.id };
link.pin(`${bpffs}/xdp`);
link.close();
const pinned = send(false);
const reopened = BpfLink.openPinned(`${bpffs}/xdp`);
const isSame = reopened.info.id === info.id;
reopened.update(program);
const afterReopen = send(true);
reopened.detach();
const detachedIfindex = reopened.info.ifindex;
reopened.unpin(`${bpffs}/xdp`);
reopened.close();
const afterDetach = send(false);
const inDriver = BpfLink.attachXdp({ program, ifindex, mode: "driver" });
const driver = send(true);
inDriver.close();
process.stdout.write(
  JSON.stringify({
    ...{ without, attached, refused, replaced, pinned, isSame, afterReopen, detachedIfindex, afterDetach, driver },
    info: { type: info.type, isOurs: info.programId === program.id, ifindex: info.ifindex === ifindex },
  }),
);

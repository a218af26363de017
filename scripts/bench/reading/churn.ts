/**
 * Changes a conntrack map until it is told to end: connections come and go at a steady pace. Prints how many changes a second
 * it made.
 *
 *   churn.ts PIN CHANGES_PER_SECOND FIRST_ENTRY
 */
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { FillerConntrack } from "../full-conntrack.js";

const [path = "", rate = "", first = ""] = process.argv.slice(2);
const tickMs = 10;
/** Connections that are there at one time: a second's. */
const living = Number(rate) / 2;

const filler = new FillerConntrack();
const map = BpfMap.openPinned(path);
const startedMs = performance.now();
let [opened, closed] = [0, 0];

function tick(): void {
  const due = Math.floor(((performance.now() - startedMs) * Number(rate)) / 2_000);
  filler.insert(map, Number(first) + opened, due - opened);
  opened = due;
  const over = Math.max(closed, opened - living);
  filler.remove(map, Number(first) + closed, over - closed);
  closed = over;
}

const timer = setInterval(tick, tickMs);
process.on("SIGTERM", () => {
  clearInterval(timer);
  const seconds = (performance.now() - startedMs) / 1_000;
  filler.remove(map, Number(first) + closed, opened - closed);
  process.stdout.write(`${(opened + closed) / seconds}\n`, () => process.exit(0));
});
process.stdout.write("ready\n");

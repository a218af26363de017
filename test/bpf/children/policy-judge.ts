/** A worker that sends packets through a program without pause and judges each verdict, until it is told to stop. */
import { parentPort, workerData } from "node:worker_threads";
import { BpfProgram } from "../../../src/kernel/bpf-program.js";

export interface JudgedPacket {
  readonly name: string;
  readonly data: Uint8Array;
  /** Verdicts of the program that the old or the new policy gives. */
  readonly allowed: readonly number[];
}

export interface Judgement {
  readonly judged: number;
  /** Of wrong verdicts: packet and verdict, each once. */
  readonly wrong: readonly string[];
}

const CONTEXT_BYTES = 192;
const program = BpfProgram.openById((workerData as { programId: number }).programId);
let packets: readonly JudgedPacket[] | undefined;
let judged = 0;
let wrong = new Set<string>();

parentPort!.on("message", (message: readonly JudgedPacket[] | "stop") => {
  if (message === "stop") {
    packets = undefined;
    parentPort!.postMessage({ judged, wrong: [...wrong] } satisfies Judgement);
    judged = 0;
    wrong = new Set();
    return;
  }
  packets = message;
  sendAll();
});

function sendAll(): void {
  if (packets === undefined) return;
  for (let round = 0; round < 20; round++) {
    for (const { name, data, allowed } of packets) {
      const verdict = program.testRun({ data, context: Buffer.alloc(CONTEXT_BYTES) }).retval >>> 0;
      judged++;
      if (!allowed.includes(verdict)) wrong.add(`${name}: ${verdict}`);
    }
  }
  if (judged === packets.length * 20) parentPort!.postMessage("judging");
  setImmediate(sendAll);
}

import { readFileSync } from "node:fs";
import { AbiError } from "../../src/abi/codec.js";
import { createEventCodecs } from "../../src/abi/events/event-codecs.js";
import { createRecordDecoder } from "../../src/abi/events/record-decoder.js";
import { GobDecoder } from "../../src/abi/gob/gob-decoder.js";
import { GobError } from "../../src/abi/gob/gob-error.js";
import { releases } from "../../src/abi/release.js";
import { AgentError } from "../../src/lib/errors.js";
import { createMonitorEvent } from "../../src/model/create-monitor-event.js";
import { encodeFrame, FrameDecoder } from "../../src/model/event-frames.js";
import { MonitorFormatter } from "../../src/output/cilium/monitor/monitor-formatter.js";
import { casesOf } from "../property/abi-cases.js";
import { gobSample, gobSampleNames } from "../support/gob-samples.js";
import { readCapture, readCapturedMap } from "../unit/abi-capture-files.js";
import type { FuzzTarget } from "./fuzz.js";

const isAbiRefusal = (error: unknown): boolean => error instanceof AbiError;

/** Everything that decodes bytes of the kernel, of upstream's agent or of the network. */
export function fuzzTargets(): readonly FuzzTarget[] {
  return [...codecTargets(), ...eventTargets(), ...printingTargets(), gobTarget(), frameTarget()];
}

/** Keys and values of every map and structure, in every release. */
function codecTargets(): readonly FuzzTarget[] {
  const entries = readCapturedMap("cilium_ct4_global").entries.slice(0, 20);
  const seeds = entries.flatMap(({ key, value }) => [key, value]);
  return releases.flatMap((release) =>
    casesOf(release).map(
      ({ name, codec }): FuzzTarget => ({
        name: `${release} ${name}`,
        seeds: [...seeds, Buffer.alloc(codec.sizeBytes), Buffer.alloc(codec.sizeBytes, 0xff)],
        run: (bytes) => codec.decode(bytes),
        isRefusal: isAbiRefusal,
      }),
    ),
  );
}

function eventTargets(): readonly FuzzTarget[] {
  const seeds = capturedEvents();
  return releases.map((release) => {
    const codecs = createEventCodecs([release]);
    return { name: `${release} events`, seeds, run: (bytes) => codecs.decode(bytes), isRefusal: isAbiRefusal };
  });
}

/** From a record's bytes to the lines of upstream's monitor, packets dissected: nothing on that way refuses anything. */
function printingTargets(): readonly FuzzTarget[] {
  const formatters = (["debug", "verbose", "json"] as const).map((verbosity) => new MonitorFormatter({ verbosity }));
  return releases.map((release) => {
    const decoder = createRecordDecoder([release]);
    return {
      name: `${release} monitor`,
      seeds: printedRecords(release),
      run: (bytes) => {
        const event = createMonitorEvent(decoder.decode(bytes).record, { release });
        return formatters.map((formatter) => formatter.format(event));
      },
      isRefusal: () => false,
    };
  });
}

/** What our own agent sends. */
function frameTarget(): FuzzTarget {
  const records = capturedEvents().map((bytes) => encodeFrame({ kind: "record", timeMs: 1, bytes }));
  const loss = encodeFrame({ kind: "loss", cpu: 1, timeMs: 1, count: 7n });
  const ring = encodeFrame({ kind: "ring", cpus: 2, pages: 64, pageBytes: 4096 });
  return {
    name: "event frames",
    seeds: [ring, loss, ...records.slice(0, 20), Buffer.concat([ring, ...records.slice(20, 30), loss])],
    run: (bytes) => new FrameDecoder().push(bytes),
    isRefusal: (error) => error instanceof AgentError && error.code === "event-frame",
  };
}

function gobTarget(): FuzzTarget {
  return {
    name: "gob stream",
    seeds: gobSampleNames.map((name) => gobSample(name).subarray(0, 4096)),
    run: (bytes) => {
      const decoder = new GobDecoder();
      const values = decoder.push(bytes);
      decoder.end();
      return values;
    },
    isRefusal: (error) => error instanceof GobError,
  };
}

function capturedEvents(): readonly Buffer[] {
  return readCapture("events/raw-events.jsonl")
    .trim()
    .split("\n")
    .map((line) => Buffer.from(JSON.parse(line).hex, "hex"));
}

function printedRecords(release: string): readonly Buffer[] {
  return readFileSync(new URL(`../fixtures/monitor/cilium-${release}.jsonl`, import.meta.url), "utf8")
    .trim()
    .split("\n")
    .map((line) => Buffer.from(JSON.parse(line).record, "hex"));
}

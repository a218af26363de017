import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { createRecordDecoder } from "../../src/abi/events/record-decoder.js";
import { type Release, releases } from "../../src/abi/release.js";
import { createMonitorEvent } from "../../src/model/create-monitor-event.js";
import type { MonitorRecord } from "../../src/model/monitor.js";
import { type MonitorFormatOptions, MonitorFormatter } from "../../src/output/cilium/monitor/monitor-formatter.js";
import { readCapture } from "./abi-capture-files.js";

type Texts = Readonly<Record<string, string>>;

function jsonLines(text: string): readonly Texts[] {
  return text
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
}

/** Prints what is printed of `record`, a record in hex, as the monitor of `release`. */
function printer(release: Release, names: Readonly<Record<number, string>>) {
  const decoder = createRecordDecoder([release]);
  const formatters = new Map<MonitorFormatOptions, MonitorFormatter>();
  return (record: string, cpu: number, options: MonitorFormatOptions): string => {
    const formatter = formatters.get(options) ?? new MonitorFormatter(options);
    formatters.set(options, formatter);
    const decoded = decoder.decode(Buffer.from(record, "hex"));
    return formatter.format(
      createMonitorEvent(decoded.record, { release, cpu, interfaceName: (index) => names[index] }),
    );
  };
}

describe("records of a real node's event ring", () => {
  const samples = jsonLines(readCapture("events/raw-events.jsonl"));
  const links: readonly { readonly ifindex: number; readonly ifname: string }[] = JSON.parse(
    readCapture("out/ip-addr.json"),
  );
  const print = printer("1.20", Object.fromEntries(links.map(({ ifindex, ifname }) => [ifindex, ifname])));
  const forms: Readonly<Record<string, MonitorFormatOptions>> = {
    info: { verbosity: "info" },
    v: { verbosity: "debug" },
    vv: { verbosity: "verbose" },
    json: { verbosity: "json" },
    hexdump: { verbosity: "info", isHex: true },
  };

  it.each(Object.entries(forms))("print as upstream's monitor printed them: %s", (form, options) => {
    expect(samples).toHaveLength(138);
    for (const sample of samples) expect(print(sample.hex!, Number(sample.cpu), options)).toBe(sample[form]);
  });
});

describe("records of every release print as that release's monitor prints them", () => {
  const forms: Readonly<Record<string, MonitorFormatOptions>> = {
    info: { verbosity: "info" },
    debug: { verbosity: "debug" },
    verbose: { verbosity: "verbose" },
    hex: { verbosity: "verbose", isHex: true },
    json: { verbosity: "json" },
    numeric: { verbosity: "info", isNumeric: true },
  };

  it.each(releases)("%s", (release) => {
    const samples = jsonLines(
      readFileSync(new URL(`../fixtures/monitor/cilium-${release}.jsonl`, import.meta.url), "utf8"),
    );
    expect(samples.length).toBeGreaterThan(30);
    const print = printer(release, { 2: "eth0", 9: "lxc1" });
    for (const sample of samples) {
      for (const [form, options] of Object.entries(forms)) {
        const expected = sample[form];
        if (expected === undefined) continue;
        const printed = print(sample.record!, Number(sample.cpu), options);
        expect({ form, record: sample.record, printed }).toEqual({
          form,
          record: sample.record,
          printed: expected,
        });
      }
    }
  });
});

describe("what is said of the stream itself", () => {
  const print = (record: MonitorRecord, cpu?: number): string =>
    new MonitorFormatter({ verbosity: "info" }).format(createMonitorEvent(record, { release: "1.20", cpu }));

  it("losses, unknown records, records that are cut off", () => {
    expect(print({ kind: "lost", count: 5n }, 2)).toBe("CPU 02: Lost 5 events\n");
    expect(print({ kind: "unknown", type: 99, bytes: Uint8Array.of(99, 1) }, 12)).toBe(
      "CPU 12: Unknown event: [99 1]\n",
    );
    const decoder = createRecordDecoder(["1.20"]);
    expect(print(decoder.decode(Uint8Array.of(1, 2, 3)).record)).toBe(
      "cannot decode message type '1': unexpected DropNotify data length, expected at least 36 but got 3\n",
    );
    const future = Buffer.alloc(60);
    future[0] = 4;
    future[14] = 9;
    expect(print(decoder.decode(future).record)).toBe(
      "cannot decode message type '4': Unrecognized trace event (version 9)\n",
    );
  });

  it("the recorder's captures, up to 1.18", () => {
    const record: MonitorRecord = {
      kind: "recorder",
      direction: 1,
      ruleId: 7,
      timestampNs: 123_456_789_012_345n,
      capturedLengthBytes: 0,
      originalLengthBytes: 100,
      data: new Uint8Array(0),
    };
    expect(print(record)).toBe("Recorder capture: dir:ingress rule:7 ts:123456789012345 caplen:0 len:100\n----\n");
  });
});

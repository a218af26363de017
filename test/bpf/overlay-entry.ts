import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import { compileBpf } from "../support/compile-bpf.js";
import type { DatapathHarness } from "./harness.js";
import { u32 } from "./u32.js";

/** Offsets in what programs get beside the packet: the entry takes the VNI from the mark. */
const context = { bytes: 192, mark: 8, ifindex: 40 } as const;

/** Packets that come out of the tunnel: a test run gives none the metadata that they have. */
export class OverlayEntry implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "cts-t-bpf-"));
  readonly #object: string;

  constructor() {
    const source = fileURLToPath(new URL("fixtures/overlay-entry.bpf.c", import.meta.url));
    this.#object = compileBpf(source, this.#folder);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true });
  }

  /** Runs a harness's program on a packet with this VNI in its tunnel metadata. */
  receive({ programs }: Pick<DatapathHarness, "programs">, data: Buffer, vni: number, ifindex = 0) {
    using entry = BpfObject.open(this.#object, { name: "overlay_entry" });
    entry.load();
    using target = entry.map("target");
    target.update(u32(0), u32(programs.fromOverlay.fd));
    using program = entry.program("overlay_entry");
    const beside = Buffer.alloc(context.bytes);
    beside.writeUInt32LE(vni, context.mark);
    beside.writeUInt32LE(ifindex, context.ifindex);
    const result = program.testRun({ data, context: beside });
    return { verdict: result.retval >>> 0, data: result.data };
  }
}

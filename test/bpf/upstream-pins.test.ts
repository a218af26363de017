import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { MapSet } from "../../src/datapath/map-set.js";
import { readEntries } from "../../src/datapath/table.js";
import { BpfMap } from "../../src/kernel/bpf-map.js";
import { KernelError } from "../../src/lib/errors.js";
import { createCapturedMap } from "../support/captured-map.js";
import { TestFolder } from "../support/test-folder.js";
import { capturedMapNames } from "../unit/abi-capture-files.js";

const objectPath = fileURLToPath(new URL("../../bpf/build/maps.bpf.o", import.meta.url));

/** Pins every captured map of an upstream node, filled as it was there. */
function loadUpstreamNode(folder: string): readonly BpfMap[] {
  return capturedMapNames("1.20").map((name) => {
    const map = createCapturedMap(name);
    map.pin(join(folder, name));
    return map;
  });
}

/** Ids and content of everything pinned. */
function snapshot(folder: string): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    readdirSync(folder).map((name) => {
      using map = BpfMap.openPinned(join(folder, name), { readOnly: true });
      const entries = [...readEntries(map)].map(({ key, value }) => `${key.toString("hex")}=${value.toString("hex")}`);
      return [name, { id: map.info.id, entries: entries.sort() }];
    }),
  );
}

describe("a bpffs full of upstream's maps", () => {
  it.each([false, true])("stays as it is, byte for byte (adopt: %s), unless every layout fits", (adopt) => {
    using folder = new TestFolder();
    const maps = loadUpstreamNode(folder.maps);
    try {
      const before = snapshot(folder.maps);
      expect(Object.keys(before).length).toBeGreaterThan(10);
      const options = { folder: folder.maps, objectPath, installId: "x", maxEntries: new Map<string, number>(), adopt };
      const thrown = (() => {
        try {
          MapSet.open(options)[Symbol.dispose]();
          return undefined;
        } catch (error) {
          return error;
        }
      })();
      expect(thrown).toBeInstanceOf(KernelError);
      expect((thrown as KernelError).code).toBe("foreign-pin");
      expect((thrown as KernelError).nextSteps.join("\n")).toMatch(/--adopt[\s\S]*mv /);
      expect(snapshot(folder.maps)).toEqual(before);
    } finally {
      for (const map of maps) map.close();
    }
  });

  it("the command that moves a foreign pin away works as it stands, and leaves our own pins where they are", () => {
    using folder = new TestFolder();
    const options = {
      folder: folder.maps,
      objectPath,
      installId: "x",
      maxEntries: new Map<string, number>(),
      adopt: false,
    };
    MapSet.open(options)[Symbol.dispose]();
    const ours = snapshot(folder.maps);
    using foreign = BpfMap.create({ type: "hash", name: "foreign", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 8 });
    foreign.pin(join(folder.maps, "cilium_foreign"));
    const step = (() => {
      try {
        MapSet.open(options)[Symbol.dispose]();
        return undefined;
      } catch (error) {
        return (error as KernelError).nextSteps.find((text) => text.includes("mv "));
      }
    })();
    execFileSync("sh", ["-c", step!.replace(/^.*?: /, "")]);
    expect(readdirSync(join(folder.bpffs, "tc", "globals-foreign"))).toEqual(["cilium_foreign"]);
    expect(Object.keys(snapshot(folder.maps)).sort()).toEqual(Object.keys(ours).sort());
    MapSet.open(options)[Symbol.dispose]();
  });
});

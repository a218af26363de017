import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { layoutsOfObject, sourceFilesOfHeader } from "../../scripts/generate-abi.js";
import { declaredLayout, declaredStructs } from "../../src/abi/declared-layouts.js";
import { ownLayouts } from "../../src/abi/generated/layouts.js";
import { ownSourceFiles } from "../../src/abi/generated/source-files.js";
import { type LayoutTable, parseLayout } from "../../src/abi/layout.js";
import { hasLayout, layoutOf } from "../../src/abi/layouts.js";
import { findRelease, ownRelease, releases } from "../../src/abi/release.js";
import { isReleaseSince } from "../../src/model/upstream-release.js";

const own: LayoutTable = ownLayouts;

describe("our own layouts", () => {
  it("are what the BTF of layouts.bpf.o says", () => {
    expect(own).toEqual(layoutsOfObject(readFileSync("bpf/build/layouts.bpf.o")));
    expect(ownSourceFiles).toEqual(sourceFilesOfHeader(readFileSync("bpf/lib/source_files.h", "utf8")));
  });

  const shared = declaredStructs.filter((struct) => own[struct] !== undefined);
  it("cover every structure that the maps and events of this release need", () => {
    expect(shared).toEqual(
      expect.arrayContaining([
        "ipv4_ct_tuple",
        "ipv6_ct_tuple",
        "ct_entry",
        "lb4_key",
        "lb4_service",
        "lb4_backend",
        "lb4_reverse_nat",
        "ipv4_revnat_tuple",
        "ipv4_revnat_entry",
        "endpoint_key",
        "endpoint_info",
        "ipcache_key",
        "remote_endpoint_info",
        "policy_key",
        "policy_entry",
        "node_key",
        "node_value",
        "metrics_key",
        "metrics_value",
        "drop_notify",
        "trace_notify",
        "policy_verdict_notify",
        "trace_sock_notify",
      ]),
    );
  });

  it.each(shared)("%s lies where upstream's lies", (struct) => {
    const upstream = declaredLayout(struct, ownRelease)!;
    expect(own[struct]!.sizeBytes).toBe(upstream.sizeBytes);
    const place = (layout: typeof upstream, name: string): unknown => {
      const { offset, sizeBytes, bit } = layout.fields[name]!;
      return { offset, sizeBytes, bit };
    };
    const missing = Object.keys(upstream.fields).filter((name) => own[struct]!.fields[name] === undefined);
    expect(missing.filter((name) => !/^(pad|reserved)/.test(name))).toEqual([]);
    for (const name of Object.keys(upstream.fields)) {
      if (missing.includes(name)) continue;
      expect({ [name]: place(own[struct]!, name) }).toEqual({ [name]: place(upstream, name) });
    }
  });

  it("no field overlaps the end of its structure", () => {
    for (const [struct, layout] of Object.entries(own)) {
      for (const [name, field] of Object.entries(layout.fields)) {
        expect(field.offset + field.sizeBytes, `${struct}.${name}`).toBeLessThanOrEqual(layout.sizeBytes);
      }
    }
  });
});

describe("layouts of older releases", () => {
  it.each([
    ["policy_entry", "1.17", 24],
    ["policy_entry", "1.18", 8],
    ["policy_entry", "1.19", 12],
    ["remote_endpoint_info", "1.17", 12],
    ["remote_endpoint_info", "1.18", 24],
    ["drop_notify", "1.16", 36],
    ["drop_notify", "1.18", 40],
    ["drop_notify", "1.20", 48],
    ["trace_sock_notify", "1.18", 38],
    ["policy_verdict_notify", "1.18", 32],
    ["ct_entry", "1.14", 56],
  ] as const)("%s of %s has %i bytes", (struct, release, sizeBytes) => {
    expect(layoutOf(struct, release).sizeBytes).toBe(sizeBytes);
  });

  it("the tunnel map ends with 1.17", () => {
    expect(releases.filter((release) => hasLayout("tunnel_key", release))).toEqual(["1.14", "1.15", "1.16", "1.17"]);
    expect(() => layoutOf("tunnel_key", "1.18")).toThrow(expect.objectContaining({ code: "abi-layout", exitCode: 6 }));
  });

  it("finds releases by their version", () => {
    expect(findRelease("v1.18.3")).toBe("1.18");
    expect(findRelease("1.20.0-dev")).toBe("1.20");
    expect(findRelease("1.13.8")).toBeUndefined();
    expect(isReleaseSince("1.20", "1.9" as "1.14")).toBe(true);
    expect(isReleaseSince("1.16", "1.17")).toBe(false);
  });

  it("refuses a table with a slip in it", () => {
    expect(() => parseLayout(8, "a@0:4 b@4")).toThrow(SyntaxError);
  });
});

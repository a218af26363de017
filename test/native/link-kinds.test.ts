import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { BpfLink } from "../../src/kernel/bpf-link.js";
import { BpfObject } from "../../src/kernel/bpf-object.js";
import type { BpfProgram } from "../../src/kernel/bpf-program.js";
import { isFeatureAvailable } from "../../src/kernel/features.js";
import { listLinkIds } from "../../src/kernel/object-ids.js";
import { requireKernelFeature } from "../support/skip.js";
import { TestFolder } from "../support/test-folder.js";
import { compileFixture, runChildForJson, TestNetns, thrownBy } from "./kernel-fixture.js";

let folder: TestFolder;
let kindsPath: string;
let tracingPath: string;

beforeAll(() => {
  folder = new TestFolder();
  kindsPath = compileFixture("kinds", folder.path);
  tracingPath = compileFixture("tracing", folder.path);
});
afterAll(() => folder[Symbol.dispose]());

it("XDP: attached, replaced in place, pinned, opened again, detached; generic and in the driver", (context) => {
  requireKernelFeature(context, "xdp_link");
  using netns = new TestNetns();
  const report = runChildForJson<Record<string, unknown>>("xdp", {
    prefix: ["ip", "netns", "exec", netns.name],
    args: [kindsPath, folder.bpffs],
  });
  expect(report).toMatchObject({
    info: { type: "xdp", isOurs: true, ifindex: true },
    without: { noted: false },
    attached: { noted: true },
    refused: {
      second: "link-attach EBUSY",
      wrongType: "link-attach EINVAL",
      noDevice: "link-attach EINVAL",
      badMode: "invalid-argument",
    },
    replaced: { noted: false, programIsNew: true },
    pinned: { noted: false },
    isSame: true,
    afterReopen: { noted: true },
    detachedIfindex: 0,
    afterDetach: { noted: false },
    driver: { noted: true },
  });
});

describe("tracing", () => {
  const names = ["traces_tp_btf", "traces_fentry", "traces_fexit"] as const;

  /** The object with only one of its programs loaded. */
  function load(name: (typeof names)[number]): BpfObject {
    const object = BpfObject.open(tracingPath);
    for (const other of names) if (other !== name) object.skipProgram(other);
    object.load();
    return object;
  }

  function callsOf(object: BpfObject, slot: number): bigint {
    using calls = object.map("calls");
    return calls.lookup(Buffer.from([slot, 0, 0, 0]))?.readBigUInt64LE() ?? -1n;
  }

  it("tp_btf: attaches by what it was loaded for, counts, is pinned and opened again", (context) => {
    requireKernelFeature(context, "tp_btf");
    using object = load("traces_tp_btf");
    using program = object.program("traces_tp_btf");
    expect(program.type).toBe("tracing");
    const link = BpfLink.attachTracing({ program });
    // The kernel makes no difference between such a program and one of raw arguments once it is attached.
    expect(link.info).toMatchObject({ type: "raw_tracepoint", tracepoint: "sys_enter", programId: program.id });
    expect(callsOf(object, 0)).toBeGreaterThan(0n);
    link.pin(`${folder.bpffs}/tracing`);
    link.close();
    using reopened = BpfLink.openPinned(`${folder.bpffs}/tracing`);
    const before = callsOf(object, 0);
    expect(callsOf(object, 0)).toBeGreaterThan(before);
    expect(thrownBy(() => reopened.update(program))).toMatchObject({ code: "link-update" });
    reopened.unpin(`${folder.bpffs}/tracing`);
    const { id } = reopened;
    reopened.close();
    expect(listLinkIds()).not.toContain(id);
    const stopped = callsOf(object, 0);
    expect(callsOf(object, 0)).toBe(stopped);
  });

  it.each([
    ["traces_fentry", 1],
    ["traces_fexit", 2],
  ] as const)(
    "%s: where the kernel lets functions be traced it counts, elsewhere the refusal names the feature",
    (name, slot) => {
      const feature = isFeatureAvailable("fentry");
      if (feature === false) {
        expect(thrownBy(() => load(name))).toMatchObject({
          code: "object-load",
          details: { program: name },
          hint: expect.stringContaining("fentry (since 5.5"),
        });
        return;
      }
      using object = load(name);
      using program: BpfProgram = object.program(name);
      using link = BpfLink.attachTracing({ program });
      expect(link.info).toMatchObject({ type: "tracing", attachType: name.slice("traces_".length) });
      program.testRun({}); // the kernel calls its own bpf_fentry_test1
      expect(callsOf(object, slot)).toBeGreaterThan(0n);
    },
  );

  it("refuses a program of another kind and a second attachment of the same one, naming why", () => {
    using kinds = BpfObject.open(kindsPath);
    kinds.load();
    using xdp = kinds.program("kinds_xdp");
    expect(thrownBy(() => BpfLink.attachTracing({ program: xdp }))).toMatchObject({
      code: "link-attach",
      details: { errno: "EINVAL", programType: "xdp" },
      hint: expect.stringContaining("tp_btf"),
    });
    expect(thrownBy(() => BpfLink.attachTracing({} as { program: BpfProgram }))).toMatchObject({
      code: "invalid-argument",
    });
    expect(thrownBy(() => BpfLink.attachRawTracepoint({ program: xdp, tracepoint: "sys_enter" }))).toMatchObject({
      code: "link-attach",
      details: { errno: "EINVAL" },
      hint: expect.stringContaining("raw tracepoint programs"),
    });
  });
});

it.each([
  ["xdp_link", "xdp_link (since 5.9)"],
  ["tcx", "tcx (since 6.6)"],
] as const)("CTS_DISABLE_FEATURES=%s: attaching fails as on a kernel without it, and says so", (feature, words) => {
  using object = BpfObject.open(kindsPath);
  object.load();
  using program = object.program(feature === "tcx" ? "kinds_perf" : "kinds_xdp");
  process.env.CTS_DISABLE_FEATURES = feature;
  try {
    const attach = () =>
      feature === "tcx"
        ? BpfLink.attachTcx({ program, ifindex: 1, direction: "ingress" })
        : BpfLink.attachXdp({ program, ifindex: 1 });
    expect(thrownBy(attach)).toMatchObject({
      code: "link-attach",
      details: { errno: "EINVAL" },
      hint: expect.stringContaining(words),
    });
  } finally {
    delete process.env.CTS_DISABLE_FEATURES;
  }
});

import { afterAll, beforeAll, expect, it, type TestContext } from "vitest";
import { requireKernelFeature } from "../support/skip.js";
import { TestFolder } from "../support/test-folder.js";
import { compileFixture, runChildForJson, TestNetns } from "./kernel-fixture.js";

let folder: TestFolder;
let objectPath: string;

beforeAll(() => {
  folder = new TestFolder();
  objectPath = compileFixture("sample", folder.path);
});
afterAll(() => folder[Symbol.dispose]());

/** A process of its own in a network of its own: descriptors are counted, threads and the process end. */
function run(context: TestContext, name: string): unknown {
  requireKernelFeature(context, "tcx");
  using netns = new TestNetns();
  return runChildForJson("async-calls", {
    prefix: ["ip", "netns", "exec", netns.name],
    args: [name, objectPath, folder.bpffs],
    nodeFlags: ["--expose-gc"],
  });
}

it("attach, open, replace and detach do what their synchronous counterparts do", (context) => {
  expect(run(context, "attach")).toEqual({
    ...{ isAttached: true, isSame: true, programs: [true, true], left: [], ifindex: 0 },
  });
});

it("misuse and refusals are rejections with the errors of the synchronous calls", (context) => {
  expect(run(context, "refused")).toEqual({
    again: "link-attach EEXIST",
    noDevice: "link-attach ENODEV",
    badDirection: "invalid-argument",
    noProgram: "invalid-argument",
    noPin: "link-open ENOENT",
    noPath: "invalid-argument",
    noNewProgram: "invalid-argument",
    closedUpdate: "handle-closed",
    closedDetach: "handle-closed",
    plainMap: "invalid-argument",
    noMap: "invalid-argument",
    shortKey: "invalid-argument",
    otherShape: "map-update EINVAL",
    absent: "map-update ENOENT",
    notAllShapes: "map-update EINVAL",
    shortKeys: "invalid-argument",
    deletedAbsent: false,
    shortDelete: "invalid-argument",
  });
});

it("handles that are closed while a call is pending take nothing away from it, and leave no descriptor", (context) => {
  expect(run(context, "closedWhilePending")).toEqual({
    ...{ attached: true, updated: true, detached: [], isThere: true, wasDeleted: true, left: 0 },
  });
});

it("garbage collection while calls are pending takes nothing away from them", (context) => {
  expect(run(context, "collectedWhilePending")).toEqual({ left: 0, attached: [] });
});

it("worker threads may be terminated while calls are pending", (context) => {
  expect(run(context, "terminatedWhilePending")).toEqual({ left: 0, attached: [] });
});

it("process.exit() while calls are pending", (context) => {
  expect(run(context, "exitWhilePending")).toEqual({ open: true });
});

it("a process with a pending call ends after it, not before", (context) => {
  expect(run(context, "pendingHoldsTheProcess")).toEqual({ resolved: true });
});

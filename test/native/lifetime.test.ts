import { afterAll, beforeAll, expect, it } from "vitest";
import { TestFolder } from "../support/test-folder.js";
import { compileFixture, runChildForJson } from "./kernel-fixture.js";

let folder: TestFolder;
let objectPath: string;

beforeAll(() => {
  folder = new TestFolder();
  objectPath = compileFixture("sample", folder.path);
});
afterAll(() => folder[Symbol.dispose]());

/** A process of its own: descriptors are counted, the collector is called, the process ends. */
const run = (name: string) => runChildForJson("lifetime", { args: [name, objectPath], nodeFlags: ["--expose-gc"] });

it("the garbage collector closes what nobody closed", () => {
  expect(run("collected")).toEqual({ grew: true, left: 0 });
});

it("garbage collection while handles are open takes nothing away", () => {
  expect(run("collectedWhileOpen")).toEqual({ seen: 300, value: 29, read: 30, walked: 30 });
});

it("a process ends by itself with handles open", () => {
  expect(run("exitWithOpenHandles")).toEqual({ open: true });
});

it("process.exit() with a reader on the event loop", () => {
  expect(run("exitWhileReading")).toEqual({ open: true });
});

it("worker threads share maps with the main thread and end with handles open", () => {
  expect(run("workers")).toEqual({ entries: 3000, left: 0 });
});

it("worker threads may be terminated in the middle of addon calls", () => {
  expect(run("terminated")).toEqual({ left: 0 });
});

import { afterAll, beforeAll, expect, it } from "vitest";
import { TestFolder } from "../support/test-folder.js";
import { compileFixture } from "./kernel-fixture.js";
import { faultsAfterClose, faultsOfRubbish, membersMissing } from "./misuse-cases.js";
import { type MisuseSubject, type MisuseWorld, misuseSubjects, openWorld } from "./misuse-subjects.js";

const names = [
  ...["BpfMap", "BpfProgram", "BpfLink", "BpfObject", "RingBuffer", "PerfBuffer", "MapIterator", "BucketWalk"],
  ...["RunStats", "LossCounter", "FreeFunctions"],
];

let folder: TestFolder;
let world: MisuseWorld & Disposable;
let subjects: ReadonlyMap<string, MisuseSubject>;

beforeAll(() => {
  folder = new TestFolder();
  world = openWorld(compileFixture("kinds", folder.path), folder.bpffs);
  subjects = new Map(misuseSubjects(world).map((subject) => [subject.type.name, subject]));
});
afterAll(() => {
  world[Symbol.dispose]();
  folder[Symbol.dispose]();
});

function subjectOf(name: string): MisuseSubject {
  const subject = subjects.get(name);
  if (subject === undefined) throw new Error(`no subject ${name}`);
  return subject;
}

it("every class is covered", () => {
  expect([...subjects.keys()].sort()).toEqual([...names].sort());
});

it.each(names)("%s: the table knows every public member", (name) => {
  expect(membersMissing(subjectOf(name))).toEqual([]);
});

it.each(names)("%s: rubbish in any place is refused as a KernelError before the addon sees it", async (name) => {
  expect(await faultsOfRubbish(subjectOf(name), world)).toEqual([]);
});

it.each(names)("%s: every method of a closed handle says so; closing twice is nothing", async (name) => {
  expect(await faultsAfterClose(subjectOf(name), world)).toEqual([]);
});

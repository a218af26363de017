import { link, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ObjectVersion, parseVersionFileName, VersionFolder } from "../../src/state/folder/version-folder.js";

const content = (uid: string, value: string) => ({
  isDeleted: false,
  object: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a", uid }, data: { value } },
});

describe("versions of an object in a folder", () => {
  let dir: string;
  let drafts: string;
  let folder: VersionFolder;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "cts-t-versions-"));
    drafts = join(dir, "drafts");
    await mkdir(drafts);
    folder = new VersionFolder(join(dir, "objects"), drafts);
  });
  afterEach(() => rm(dir, { recursive: true }));

  const files = async () => (await readdir(folder.path)).sort();
  async function appendAll(base: ObjectVersion | undefined, count: number): Promise<ObjectVersion> {
    let latest = base;
    for (let turn = 0; turn < count; turn++) latest = await folder.append("a", latest, content("u", String(turn)));
    return latest!;
  }

  it("are one after the other, the last one staying", async () => {
    const latest = await appendAll(undefined, 3);
    expect(latest.number).toBe(3);
    expect(await files()).toEqual(["a.3.json"]);
    expect(await folder.readLatest("a")).toEqual(latest);
  });

  it("do not follow a base whose successor was taken and removed", async () => {
    const base = await appendAll(undefined, 2);
    await appendAll(base, 3);
    expect(await files()).toEqual(["a.5.json"]);
    expect(await folder.append("a", base, content("u", "late"))).toBeUndefined();
    expect(await files()).toEqual(["a.5.json"]);
  });

  it("are known to be the last ones without a listing, unless somebody wrote since", async () => {
    const first = await appendAll(undefined, 1);
    expect(await folder.readIfLatest("a", first)).toEqual(first);
    const second = await appendAll(first, 1);
    expect(await folder.readIfLatest("a", first)).toBeUndefined();
    // A writer that was killed between linking the next version and removing this one.
    await link(join(folder.path, "a.2.json"), join(folder.path, "a.3.json"));
    expect(await folder.readIfLatest("a", second)).toBeUndefined();
    await rm(join(folder.path, "a.3.json"));
    // What a late writer leaves that is killed right after link(2): the number of a version that was.
    await appendAll(second, 2);
    const late = { writeId: "x", object: content("u", "late").object };
    await writeFile(join(folder.path, "a.2.json"), JSON.stringify(late));
    expect(await folder.readIfLatest("a", second)).toBeUndefined();
  });

  it("are not created anew by a creator that came too late", async () => {
    await appendAll(undefined, 3);
    expect(await folder.append("a", undefined, content("other", "late"))).toBeUndefined();
    expect(await files()).toEqual(["a.3.json"]);
  });

  it("do not take another late writer's file for their base", async () => {
    const first = await appendAll(undefined, 1);
    const second = await appendAll(first, 1);
    await appendAll(second, 2);
    // What a late writer, stopped right after link(2), leaves for a moment: a second version 2.
    await writeFile(
      join(folder.path, "a.2.json"),
      JSON.stringify({ writeId: "x", object: content("u", "fake").object }),
    );
    expect(await folder.append("a", second, content("u", "late"))).toBeUndefined();
    expect((await folder.readLatest("a"))?.number).toBe(4);
  });

  it("keep their base while they are not confirmed, and let it go afterwards", async () => {
    await appendAll(undefined, 1);
    // A writer that is killed right after link(2): its draft stays, and with it a second link.
    const draft = join(drafts, "draft");
    await writeFile(draft, JSON.stringify({ writeId: "w", object: content("u", "killed").object }));
    await link(draft, join(folder.path, "a.2.json"));
    const killed = await folder.readLatest("a");
    expect(killed?.number).toBe(2);
    await appendAll(killed, 2);
    expect(await files()).toEqual(["a.1.json", "a.2.json", "a.3.json", "a.4.json"]);
    await rm(draft);
    await appendAll(await folder.readLatest("a"), 1);
    expect(await files()).toEqual(["a.5.json"]);
  });

  it("have names with dots and digits", () => {
    expect(parseVersionFileName("v1.2.json")).toEqual({ name: "v1", number: 2 });
    expect(parseVersionFileName("v1.2.3.json")).toEqual({ name: "v1.2", number: 3 });
    expect(parseVersionFileName("v1.json")).toBeUndefined();
    expect(parseVersionFileName("v1.0.json")).toBeUndefined();
    expect(parseVersionFileName("v1.2.json.tmp")).toBeUndefined();
  });
});

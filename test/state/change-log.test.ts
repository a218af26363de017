import { describe, expect, it } from "vitest";
import { ChangeLog } from "../../src/state/folder/change-log.js";
import type { ObjectVersion } from "../../src/state/folder/version-folder.js";

const version = (number: number): ObjectVersion => ({
  number,
  isDeleted: false,
  object: { apiVersion: "v1", kind: "ConfigMap", metadata: { name: "a" } },
  writeId: String(number),
});

describe("the changes of an index", () => {
  it("since a position are the keys with what they had then, however often they changed", () => {
    const log = new ChangeLog();
    log.add("a", undefined);
    const { position } = log;
    expect(log.since(position)).toEqual(new Map());
    log.add("a", version(1));
    log.add("b", undefined);
    log.add("a", version(2));
    expect(log.since(position)).toEqual(
      new Map([
        ["a", version(1)],
        ["b", undefined],
      ]),
    );
    expect(log.since(0)?.get("a")).toBeUndefined();
  });

  it("are forgotten when there were many more, and positions that never were are unknown", () => {
    const log = new ChangeLog();
    const { position } = log;
    for (let number = 1; number <= 10_000; number++) log.add("a", version(number));
    expect(log.since(position)).toBeUndefined();
    expect(log.since(log.position - 1)).toEqual(new Map([["a", version(10_000)]]));
    expect(log.since(log.position + 1)).toBeUndefined();
    expect(log.since(Number.NaN)).toBeUndefined();
  });
});

import { readFileSync } from "node:fs";
import { expect, it } from "vitest";
import { parse } from "yaml";
import { PolicyFixture } from "../support/policy-fixture.js";

/** `docs/policy.md`: each policy of its examples beside those before it, and the entries that follow it there. */
it("the examples of the policy page compile to what it says", () => {
  const page = readFileSync(new URL("../../docs/policy.md", import.meta.url), "utf8");
  const blocks = [...page.matchAll(/```(yaml|text)\n(.*?)```/gs)].map(([, kind, text]) => ({ kind, text: text! }));
  expect(blocks.map(({ kind }) => kind)).toEqual(["yaml", "text", "yaml", "text"]);
  const policies: unknown[] = [];
  for (const { kind, text } of blocks) {
    if (kind === "yaml") {
      policies.push(parse(text));
      continue;
    }
    const fixture = new PolicyFixture(policies);
    expect(fixture.problems).toEqual([]);
    const entries = (["ingress", "egress"] as const).flatMap((direction) =>
      fixture.entries(direction).map((entry) => `${direction} ${entry}`),
    );
    expect(entries).toEqual(text.trim().split("\n"));
  }
});

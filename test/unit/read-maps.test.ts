import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { upstreamMaps } from "../../src/abi/upstream-maps.js";
import { endpointOfPolicyMap } from "../../src/model/policy-map-name.js";
import { smallMaps } from "../../src/model/small-maps/small-maps.js";

/** Maps of upstream's that no command reads, and why. */
const unread: Readonly<Record<string, string>> = {
  cilium_xdp_scratch: "what programs hand each other within one packet",
  cilium_percpu_trace_id: "what programs hand each other within one packet",
};

/** Programs have no entries to read, and of a perf buffer's slots each has one reader already. */
const slotTypes: ReadonlySet<string> = new Set(["prog_array", "perf_event_array"]);

/** The names in quotes, each as a pattern in which a place-holder stands for any word. */
function pinsNamedIn(reader: string): readonly RegExp[] {
  return [...readFileSync(`src/node/readers/${reader}`, "utf8").matchAll(/["`](cilium_[\w${}]+)["`]/g)].map(
    ([, name = ""]) => new RegExp(`^${name.replaceAll(/\$\{\w+\}/g, "\\w+")}$`),
  );
}

describe("maps that upstream's agent pins", () => {
  const smallPins = new Set(smallMaps.flatMap(({ sources }) => sources.map(({ pin }) => pin)));
  const patterns = readdirSync("src/node/readers").flatMap(pinsNamedIn);
  const isPolicy = (name: string): boolean => endpointOfPolicyMap(name.replace("NNNNN", "00001")) !== undefined;
  const isNamed = (name: string): boolean => smallPins.has(name) || patterns.some((pattern) => pattern.test(name));
  /** A map of maps leads to those in it, pinned themselves or not. */
  const isRead = (name: string): boolean => isPolicy(name) || isNamed(name) || isNamed(name.replace(/_N$/, ""));

  it("are read by a command, every one", () => {
    const names = upstreamMaps.flatMap(({ name, type }) => (slotTypes.has(type) ? [] : [name]));
    expect([...new Set(names)].filter((name) => !isRead(name)).sort()).toEqual(Object.keys(unread).sort());
  });
});

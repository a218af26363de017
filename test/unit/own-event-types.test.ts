import { describe, expect, it } from "vitest";
import { messageTypes } from "../../src/model/monitor.js";
import { refuseMissingTypes } from "../../src/node/events/own-event-types.js";

describe("types of events that our nodes do not send", () => {
  it.each([[undefined], [[]], [["drop", "trace", "policy-verdict", "trace-sock"]]] as const)("%j are sent", (types) => {
    expect(() => refuseMissingTypes(types)).not.toThrow();
  });

  it("are refused by name, though others are asked for too", () => {
    const types = Object.keys(messageTypes) as (keyof typeof messageTypes)[];
    expect(() => refuseMissingTypes(types)).toThrow(
      expect.objectContaining({
        code: "event-type-missing",
        message: expect.stringMatching(/debug: .*capture: .*recorder: .*l7: layer 7.*agent: /),
        hint: "Types that do are drop, trace, policy-verdict, trace-sock.",
      }),
    );
  });
});

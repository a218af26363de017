import { describe, expect, it } from "vitest";
import { eventOptionBits } from "../../src/datapath/event-options.js";
import { defaultAgentConfig } from "../../src/model/agent-config.js";
import {
  nodeEventOptions,
  parseEndpointOption,
  parseEndpointOptionsRequest,
  parseEventOptions,
} from "../../src/model/event-options.js";

describe("options of an endpoint", () => {
  it.each([
    ["DropNotification=false", { drops: false }],
    ["tracenotification=Disabled", { traces: false }],
    ["PolicyVerdictNotification", { verdicts: true }],
    ["MonitorAggregationLevel=Max", { aggregation: "maximum" }],
    ["MonitorAggregationLevel=1", { aggregation: "lowest" }],
    ["MonitorAggregationLevel=disabled", { aggregation: "none" }],
  ])("are read as upstream reads them: %s", (word, change) => {
    expect(parseEndpointOption(word)).toEqual(change);
  });

  it.each([
    ["DropNotification=perhaps", "option-value", /true or false, not "perhaps"/],
    ["MonitorAggregationLevel=5", "option-value", /none, lowest, low, medium, maximum/],
    ["MonitorAggregationLevel", "option-value", /not ""/],
    ["Debug=true", "option-missing", /Debug cannot be set: .*no debug messages/],
    ["Colour=red", "option-unknown", /no option "Colour"/],
  ])("are refused with what is wrong: %s", (word, code, message) => {
    expect(() => parseEndpointOption(word)).toThrow(
      expect.objectContaining({ code, message: expect.stringMatching(message) }),
    );
  });

  it("come from sockets and files as they should be, or not at all", () => {
    expect(parseEventOptions({ drops: false, aggregation: "low" })).toEqual({ drops: false, aggregation: "low" });
    for (const wrong of [undefined, null, 1, [], { drops: 1 }, { colour: true }, { aggregation: "loud" }])
      expect(parseEventOptions(wrong)).toBeUndefined();
    expect(parseEndpointOptionsRequest({ endpointId: 7, change: {} })).toEqual({ endpointId: 7, change: {} });
    for (const wrong of [undefined, { change: {} }, { endpointId: "7", change: {} }, { endpointId: 7 }])
      expect(parseEndpointOptionsRequest(wrong)).toBeUndefined();
  });

  it("are bits of the programs: the default tells drops, verdicts, and a connection's two ends", () => {
    const node = nodeEventOptions(defaultAgentConfig());
    expect(eventOptionBits(node)).toBe(0x07);
    expect(eventOptionBits({ ...node, aggregation: "none" })).toBe(0x0f);
    expect(eventOptionBits({ ...node, drops: false, aggregation: "low" })).toBe(0x16);
  });
});

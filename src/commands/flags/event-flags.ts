import { Flags } from "#oclif";
import { type MessageTypeName, messageTypes } from "../../model/monitor.js";
import { boundedInteger } from "./flag-types.js";

const endpointFlag = (summary: string) =>
  boundedInteger({
    summary: `${summary}; may be repeated`,
    helpValue: "ENDPOINT",
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: "FILTER",
    min: 0,
    max: 65_535,
  });

/** Which events, as upstream's `monitor` has it. */
export const eventFilterFlags = {
  type: Flags.option({
    char: "t",
    summary: "only events of this type; may be repeated",
    options: Object.keys(messageTypes).sort() as MessageTypeName[],
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: "FILTER",
  })(),
  from: endpointFlag("only events that this endpoint's programs reported"),
  to: endpointFlag("only events of packets to this endpoint"),
  "related-to": endpointFlag("only events from or to this endpoint"),
  "drop-reason": Flags.string({
    summary: "only what was dropped or denied for this reason, in words or as a code; may be repeated",
    helpValue: "REASON",
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: "FILTER",
  }),
};

/** What becomes of the flags. */
export function toEventFilter(flags: {
  readonly type?: readonly MessageTypeName[] | undefined;
  readonly from?: readonly number[] | undefined;
  readonly to?: readonly number[] | undefined;
  readonly "related-to"?: readonly number[] | undefined;
}) {
  const { type: types, from, to, "related-to": relatedTo } = flags;
  return { types, from, to, relatedTo };
}

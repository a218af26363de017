import { Flags } from "#oclif";
import type { ConntrackSelection } from "../../actions/list-conntrack.js";
import { UsageError } from "../../lib/errors.js";
import { formatDurationMs } from "../../lib/time.js";
import type { CtState } from "../../model/rows.js";
import {
  directionFilterFlag,
  identityFilterFlag,
  nameFilterFlags,
  protocolFilterFlags,
  serviceFilterFlag,
  stateFilterFlag,
} from "./filter-flags.js";
import { type Moment, momentFlag } from "./flag-types.js";
import { toRowSelection } from "./to-row-selection.js";

/** Which conntrack entries. */
export const conntrackFilterFlags = {
  ...nameFilterFlags,
  ...serviceFilterFlag,
  ...protocolFilterFlags,
  ...stateFilterFlag,
  ...identityFilterFlag,
  ...directionFilterFlag(["in", "out", "service"]),
  expired: Flags.boolean({
    summary: "only entries whose lifetime is over and that nobody has collected yet",
    helpGroup: "FILTER",
  }),
  "seen-since": momentFlag({
    summary:
      "only entries of which a packet was reported since then: by the later of last_rx_report and last_tx_report, which are renewed every few seconds while packets pass",
    helpValue: "DURATION|TIME",
    helpGroup: "FILTER",
  }),
  "new-since": momentFlag({
    summary:
      "only entries that come within this time from now, or up to this moment: maps hold no time of creation, so they are read, and read again then",
    helpValue: "DURATION|TIME",
    helpGroup: "FILTER",
    exclusive: ["watch"],
  }),
};

/** What becomes of the flags. */
export function toConntrackSelection(
  flags: Parameters<typeof toRowSelection>[0] & {
    readonly state?: readonly CtState[] | undefined;
    readonly expired: boolean;
    readonly "seen-since"?: Moment | undefined;
    readonly "new-since"?: Moment | undefined;
  },
): ConntrackSelection {
  const { expired: isExpired, "seen-since": seenSince, "new-since": newSince } = flags;
  const seenWithinSeconds = seenSince && secondsBefore(seenSince);
  const arrivalsMs = newSince && millisecondsUntil(newSince);
  return { ...toRowSelection(flags), states: flags.state, times: { isExpired, seenWithinSeconds }, arrivalsMs };
}

/** Said while nothing is printed yet. */
export function waitRemark(arrivalsMs: number): string {
  return `maps hold no time of creation: what comes within ${formatDurationMs(Math.round(arrivalsMs))} is listed then`;
}

function secondsBefore(moment: Moment): number {
  const ms = moment.kind === "duration" ? moment.ms : Date.now() - moment.ms;
  if (ms >= 0) return ms / 1000;
  throw new UsageError("bad-moment", "--seen-since takes a time that is past");
}

function millisecondsUntil(moment: Moment): number {
  const ms = moment.kind === "duration" ? moment.ms : moment.ms - Date.now();
  if (ms >= 0 && ms < 2 ** 31) return ms;
  throw new UsageError("bad-moment", "--new-since takes a duration, or a time within the next 24 days", {
    hint: "The maps hold no time of creation: what is new can be told from now on only.",
    nextSteps: ["--seen-since TIME   (what had packets since: all that is new is among it)", "--new-since 10s"],
  });
}

import type { PolicyVerdictRecord } from "../../../model/monitor.js";
import type { PacketForm } from "../../../model/packet/summarize.js";
import { packetFormOf } from "../../../model/packet-form.js";
import type { UpstreamRelease } from "../../../model/upstream-release.js";
import { connectionSummary } from "./connection-summary.js";
import { type EventScope, identityName } from "./event-scope.js";
import { goHex } from "./go-text.js";

/** Upstream has one form for all levels, JSON included. */
export function policyVerdictLine(record: PolicyVerdictRecord, scope: EventScope): string {
  const { release } = scope;
  const direction = record.direction === 1 ? "ingress" : "egress";
  const remote = identityName(record.remoteIdentity, scope);
  const packet = connectionSummary(record.data, formOf(record, release), release);
  return `Policy verdict log: flow ${goHex(record.hash)} local EP ID ${record.source}, remote ID ${remote}, proto ${record.protocol}, ${direction}, action ${actionText(record)}, auth: ${authText(record.authType)}, match ${record.matchTypeText}, ${packet}\n`;
}

/** 1.18 passes over the mark for devices without Ethernet. */
function formOf(record: PolicyVerdictRecord, release: UpstreamRelease): PacketForm {
  const form = packetFormOf(record);
  return release === "1.18" ? { ...form, isL3Device: false } : form;
}

function actionText({ verdict, isAudited }: PolicyVerdictRecord): string {
  if (isAudited) return "audit";
  if (verdict === 0) return "allow";
  return verdict < 0 ? "deny" : "redirect";
}

const authTypes = ["disabled", "spire", "test-always-fail"] as const;

function authText(authType: number): string {
  return authTypes[authType] ?? `Unknown-auth-type-${authType}`;
}

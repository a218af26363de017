import { goTimeText, rfc3339Text, type UnixTime } from "../../lib/utc-time.js";
import { u64, uint } from "../struct-fields.js";
import { smallMap, source } from "./small-map.js";
import { tableForm } from "./upstream-form.js";
import { unixTimeOf } from "./utime.js";

/** Upstream's words for the types of mutual authentication. */
const typeTexts: readonly string[] = ["disabled", "spire", "test-always-fail"];

/** `cilium_auth_map` */
export const authMap = smallMap(
  [
    source(
      "cilium_auth_map",
      {
        localIdentity: uint("local_sec_label"),
        remoteIdentity: uint("remote_sec_label"),
        remoteNodeId: uint("remote_node_id"),
        authType: uint("auth_type"),
      },
      { expiration: u64("expiration") },
    ),
  ],
  {
    name: "auth",
    kind: "AuthEntryList",
    summary: "List pairs of identities that have authenticated to each other",
    madeWhen: "mutual authentication is on",
    fields: {
      localIdentity: { header: "LOCAL", type: "integer", doc: "identity on this node" },
      remoteIdentity: { header: "REMOTE", type: "integer", doc: "identity at the other end" },
      remoteNodeId: { header: "NODE-ID", type: "integer", doc: "of the other end's node, 0 for this one" },
      authType: { header: "TYPE", type: "text", doc: "how they authenticated", value: (row) => typeText(row.authType) },
      expiresAt: { header: "EXPIRES", type: "text", doc: "RFC 3339", value: (row) => rfc3339Text(timeOf(row)) },
    },
    nameOf: (row) => `${row.localIdentity}-${row.remoteIdentity}-${row.remoteNodeId}-${row.authType}`,
    filters: { hasIdentities: true, traits: (row) => ({ identities: [row.localIdentity, row.remoteIdentity] }) },
    upstream: tableForm({
      header: () => "SRC IDENTITY\tDST IDENTITY\tREMOTE NODE ID\tAUTH TYPE\tEXPIRATION",
      line: (row) =>
        `${row.localIdentity}\t${row.remoteIdentity}\t${row.remoteNodeId}\t${typeText(row.authType)}\t${goTimeText(timeOf(row))}`,
      item: (row) => ({
        LocalIdentity: row.localIdentity,
        RemoteIdentity: row.remoteIdentity,
        RemoteNodeID: row.remoteNodeId,
        AuthType: row.authType,
        Expiration: rfc3339Text(timeOf(row)),
      }),
      empty: "null",
      whenMissing: "Cannot find auth bpf map",
    }),
  },
);

function timeOf({ expiration }: { readonly expiration: bigint }): UnixTime {
  return unixTimeOf(expiration);
}

function typeText(type: number): string {
  return typeTexts[type] ?? `Unknown-auth-type-${type}`;
}

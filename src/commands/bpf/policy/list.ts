import { Args, Flags } from "#oclif";
import { listPolicy } from "../../../actions/list-policy.js";
import { openTarget } from "../../../actions/open-target.js";
import { UsageError } from "../../../lib/errors.js";
import { policyList } from "../../../output/lists/policy-list.js";
import { directionFilterFlag, identityFilterFlag, protocolFilterFlags } from "../../flags/filter-flags.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** Policy entries as the datapath looks them up. */
export default class BpfPolicyList extends ReadCommand {
  static override summary = "List the policy entries of the endpoints";
  static override aliases = ["bpf:policy:get"];
  static override description =
    "Counters come from the entries (up to 1.17) or from the map that newer releases keep them in; - is an entry that nothing has matched yet.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> 1532 --node node-1 --direction ingress",
  ];
  static override args = {
    endpoint: Args.custom<number>({ parse: async (text) => endpointId(text) })({
      description: "endpoint id (default: all endpoints)",
    }),
  };
  static override flags = {
    all: Flags.boolean({ summary: "the entries of all endpoints, which is the default" }),
    numeric: Flags.boolean({ summary: "identities and cookies as numbers only; labels and rules are not asked for" }),
    ...identityFilterFlag,
    ...directionFilterFlag(["ingress", "egress"]),
    proto: protocolFilterFlags.proto,
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(BpfPolicyList);
    const isAll = args.endpoint === undefined;
    if (flags.all && !isAll) throw new UsageError("endpoint-conflict", "--all and an endpoint exclude each other");
    await using target = await openTarget(targetOf(flags));
    const selection = {
      endpointIds: args.endpoint === undefined ? [] : [args.endpoint],
      identities: flags.identity,
      directions: flags.direction,
      protocols: flags.proto,
      isNumeric: flags.numeric,
    };
    const format = policyList({ isAll, isNumeric: flags.numeric });
    await this.printRows(format, flags, () => listPolicy(target, selection, { signal: this.signal }));
  }
}

function endpointId(text: string): number {
  const id = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (id >= 1 && id <= 65_535) return id;
  throw new UsageError("bad-endpoint-id", `"${text}" is no endpoint id: a number from 1 to 65535`);
}

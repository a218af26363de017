import { Args } from "@oclif/core";
import { listPolicy } from "../../../actions/list-node-facts.js";
import { openTarget } from "../../../actions/open-target.js";
import { UsageError } from "../../../lib/errors.js";
import { policyList } from "../../../output/lists/node-lists.js";
import { directionFilterFlag, identityFilterFlag } from "../../flags/filter-flags.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** Policy entries as the datapath looks them up. */
export default class BpfPolicyList extends ReadCommand {
  static override summary = "List the policy entries of the endpoints";
  static override aliases = ["bpf:policy:get"];
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
    ...identityFilterFlag,
    ...directionFilterFlag(["ingress", "egress"]),
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(BpfPolicyList);
    await using target = await openTarget(targetOf(flags));
    const selection = {
      endpointIds: args.endpoint === undefined ? [] : [args.endpoint],
      identities: flags.identity,
      directions: flags.direction,
    };
    await this.printRows(policyList, flags, async () => listPolicy(target, selection, { signal: this.signal }));
  }
}

function endpointId(text: string): number {
  const id = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (id >= 1 && id <= 65_535) return id;
  throw new UsageError("bad-endpoint-id", `"${text}" is no endpoint id: a number from 1 to 65535`);
}

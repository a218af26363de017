import { listIdentities } from "../../actions/list-cluster.js";
import { openTarget } from "../../actions/open-target.js";
import { identityList } from "../../output/lists/agent-lists.js";
import { identityFilterFlag } from "../flags/filter-flags.js";
import { listFlags } from "../flags/list-flags.js";
import { targetFlags, targetOf } from "../flags/target-flags.js";
import { ReadCommand } from "../read-command.js";

/** Reserved identities and those that the cluster allocated. */
export default class IdentityList extends ReadCommand {
  static override summary = "List security identities and their labels";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --identity 29898",
  ];
  static override flags = { ...identityFilterFlag, ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(IdentityList);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(identityList, flags, () => listIdentities(target, { identities: flags.identity }));
  }
}

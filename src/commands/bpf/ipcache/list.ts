import { listIpcache } from "../../../actions/list-addresses.js";
import { openTarget } from "../../../actions/open-target.js";
import { ipcacheList } from "../../../output/lists/endpoint-lists.js";
import { identityFilterFlag, nameFilterFlags } from "../../flags/filter-flags.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { toRowSelection } from "../../flags/to-row-selection.js";
import { ReadCommand } from "../../read-command.js";

/** List addresses with their identities and tunnel endpoints. */
export default class BpfIpcacheList extends ReadCommand {
  static override summary = "List addresses with their identities and tunnel endpoints";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --pod shop/web-0",
    "<%= config.bin %> <%= command.id %> --identity 2 -o cilium",
  ];
  static override flags = {
    ...nameFilterFlags,
    ...identityFilterFlag,
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BpfIpcacheList);
    await using target = await openTarget(targetOf(flags));
    const open = () => listIpcache(target, toRowSelection(flags), { signal: this.signal });
    await this.printRows(ipcacheList, flags, open);
  }
}

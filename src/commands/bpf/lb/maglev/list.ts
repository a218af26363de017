import { listMaglev } from "../../../../actions/list-load-balancing.js";
import { openTarget } from "../../../../actions/open-target.js";
import { maglevList } from "../../../../output/lists/maglev-list.js";
import { nameFilterFlags, serviceFilterFlag } from "../../../flags/filter-flags.js";
import { listFlags } from "../../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../../flags/target-flags.js";
import { toRowSelection } from "../../../flags/to-row-selection.js";
import { ReadCommand } from "../../../read-command.js";

/** The look-up tables of the services that Maglev balances. */
export default class BpfLbMaglevList extends ReadCommand {
  static override summary = "List the Maglev look-up tables of services";
  static override description =
    "SHARES is what part of the new connections a backend gets, from the least to the most; -o json has the tables.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --service shop/cart -o wide",
  ];
  static override flags = { ...nameFilterFlags, ...serviceFilterFlag, ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BpfLbMaglevList);
    await using target = await openTarget(targetOf(flags));
    const selection = toRowSelection(flags);
    await this.printRows(maglevList, flags, () => listMaglev(target, selection, this.readingFor(flags)));
  }
}

import { listTunnels } from "../../../actions/list-addresses.js";
import { openTarget } from "../../../actions/open-target.js";
import { tunnelList } from "../../../output/lists/endpoint-lists.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** List pod prefixes and the nodes that they are tunnelled to. */
export default class BpfTunnelList extends ReadCommand {
  static override summary = "List pod prefixes and the nodes that they are tunnelled to";
  static override description =
    "From the tunnel map where the release has one (up to 1.17), from the tunnel endpoints in the ipcache otherwise.";
  static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> -o wide"];
  static override flags = {
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BpfTunnelList);
    await using target = await openTarget(targetOf(flags));
    const open = () => listTunnels(target, {}, { signal: this.signal });
    await this.printRows(tunnelList, flags, open);
  }
}

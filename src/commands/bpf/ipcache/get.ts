import { Args } from "#oclif";
import { listIpcache } from "../../../actions/list-addresses.js";
import { openTarget } from "../../../actions/open-target.js";
import { failWhenEmpty } from "../../../actions/row-list.js";
import { NotFoundError } from "../../../lib/errors.js";
import { IpAddress } from "../../../lib/ip.js";
import { ipcacheAnswer } from "../../../output/lists/endpoint-lists.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** What each node's datapath takes an address for: its longest prefix in the ipcache. */
export default class BpfIpcacheGet extends ReadCommand {
  static override summary = "Look an address up as the datapath does";
  static override examples = ["<%= config.bin %> <%= command.id %> 10.244.1.7"];
  static override args = { address: Args.string({ description: "IPv4 or IPv6 address", required: true }) };
  static override flags = { ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(BpfIpcacheGet);
    const address = IpAddress.parse(args.address);
    await using target = await openTarget(targetOf(flags));
    const open = async () =>
      failWhenEmpty(
        await listIpcache(target, { lookup: address.text }, { signal: this.signal }),
        () =>
          new NotFoundError("ipcache-miss", `no prefix in the ipcache of ${target.description} holds ${address}`, {
            nextSteps: [`${this.config.bin} bpf ipcache list`],
          }),
      );
    await this.printRows(ipcacheAnswer(address), flags, open);
  }
}

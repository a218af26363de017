import { Args } from "#oclif";
import { listMaglev } from "../../../../actions/list-load-balancing.js";
import { openTarget } from "../../../../actions/open-target.js";
import { failWhenEmpty } from "../../../../actions/row-list.js";
import { NotFoundError, UsageError } from "../../../../lib/errors.js";
import { maglevList } from "../../../../output/lists/maglev-list.js";
import { listFlags } from "../../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../../flags/target-flags.js";
import { ReadCommand } from "../../../read-command.js";

/** The look-up tables of one service. */
export default class BpfLbMaglevGet extends ReadCommand {
  static override summary = "Show the Maglev look-up table of a service";
  static override examples = ["<%= config.bin %> <%= command.id %> 12 -o wide"];
  static override args = {
    service: Args.custom<number>({ parse: async (text) => serviceIdOf(text) })({
      description: "id of the service, REVNAT of `bpf lb list`",
      required: true,
    }),
  };
  static override flags = { ...targetFlags, ...listFlags };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(BpfLbMaglevGet);
    const revNatId = args.service;
    await using target = await openTarget(targetOf(flags));
    const open = async () =>
      failWhenEmpty(
        await listMaglev(target, { revNatId }, this.readingFor(flags)),
        () =>
          new NotFoundError("maglev-miss", `no service ${revNatId} has a Maglev table on ${target.description}`, {
            nextSteps: [`${this.config.bin} bpf lb maglev list`],
          }),
      );
    await this.printRows(maglevList, flags, open);
  }
}

function serviceIdOf(text: string): number {
  if (/^\d{1,5}$/.test(text) && Number(text) <= 0xffff) return Number(text);
  throw new UsageError("bad-service-id", `"${text}" is no service id: a whole number from 0 to 65535`);
}

import { Args } from "#oclif";
import { listEndpoints } from "../../actions/list-endpoints.js";
import { openTarget } from "../../actions/open-target.js";
import { failWhenEmpty } from "../../actions/row-list.js";
import { NotFoundError } from "../../lib/errors.js";
import { endpointList } from "../../output/lists/endpoint-lists.js";
import { nameFilterFlags } from "../flags/filter-flags.js";
import { listFlags } from "../flags/list-flags.js";
import { targetFlags, targetOf } from "../flags/target-flags.js";
import { ReadCommand } from "../read-command.js";

/** One endpoint, by its number on a node, its pod or its address. */
export default class EndpointGet extends ReadCommand {
  static override summary = "Show one endpoint";
  static override examples = [
    "<%= config.bin %> <%= command.id %> 1532 --node node-1",
    "<%= config.bin %> <%= command.id %> shop/web-0 -o json",
  ];
  static override args = { endpoint: Args.string({ description: "endpoint id, [NS/]POD or address", required: true }) };
  static override flags = {
    namespace: nameFilterFlags.namespace,
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(EndpointGet);
    await using target = await openTarget(targetOf(flags));
    const open = async () =>
      failWhenEmpty(
        await listEndpoints(target, { namespace: flags.namespace, endpoint: args.endpoint }),
        () =>
          new NotFoundError("endpoint-unknown", `${target.description} has no endpoint "${args.endpoint}"`, {
            nextSteps: [`${this.config.bin} endpoint list`],
          }),
      );
    await this.printRows(endpointList, flags, open);
  }
}

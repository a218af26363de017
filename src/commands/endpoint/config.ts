import { Args, Flags } from "#oclif";
import { configureEndpoint } from "../../actions/configure-endpoint.js";
import { openTarget } from "../../actions/open-target.js";
import { UsageError } from "../../lib/errors.js";
import { endpointOptions, parseEndpointOption } from "../../model/event-options.js";
import { endpointOptionList } from "../../output/lists/endpoint-option-list.js";
import { nameFilterFlags } from "../flags/filter-flags.js";
import { listFlags } from "../flags/list-flags.js";
import { targetFlags, targetOf } from "../flags/target-flags.js";
import { ReadCommand } from "../read-command.js";

/** Upstream's options of one endpoint, seen and changed. */
export default class EndpointConfig extends ReadCommand {
  static override summary = "Show or change what is told of one endpoint's packets";
  static override description =
    "Asks the endpoint's agent, which keeps what was changed over its own restarts, until the endpoint goes. What was not changed is as the node's settings say.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> shop/web-0",
    "<%= config.bin %> <%= command.id %> shop/web-0 MonitorAggregationLevel=none",
    "<%= config.bin %> <%= command.id %> 1532 --node node-1 DropNotification=false TraceNotification=false",
  ];
  static override strict = false;
  static override args = {
    endpoint: Args.string({ description: "endpoint id, [NS/]POD or address" }),
    option: Args.string({ description: "OPTION=VALUE; may be repeated" }),
  };
  static override flags = {
    "list-options": Flags.boolean({ summary: "only name the options that there are" }),
    namespace: nameFilterFlags.namespace,
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { argv, flags } = await this.parse(EndpointConfig);
    if (flags["list-options"]) {
      for (const [name, { description }] of Object.entries(endpointOptions)) {
        this.log(`${name.padEnd(24)} ${description}`);
      }
      return;
    }
    const [endpoint, ...words] = argv.map(String);
    if (endpoint === undefined) throw new UsageError("endpoint-missing", "which endpoint?");
    const change = Object.assign({}, ...words.map(parseEndpointOption));
    await using target = await openTarget(targetOf(flags));
    await this.printRows(endpointOptionList, flags, () =>
      configureEndpoint(target, { endpoint, namespace: flags.namespace }, change),
    );
  }
}

import { Args, Flags } from "#oclif";
import { openTarget } from "../actions/open-target.js";
import { whichBackend } from "../actions/which/which.js";
import { UsageError } from "../lib/errors.js";
import { whichList } from "../output/lists/node-lists.js";
import { nameFilterFlags, singlePortFlag, singleProtocolFlag } from "./flags/filter-flags.js";
import { listFlags } from "./flags/list-flags.js";
import { targetFlags, targetOf } from "./flags/target-flags.js";
import { ReadCommand } from "./read-command.js";

/** Which backend a connection went to, with the evidence. */
export default class Which extends ReadCommand {
  static override summary = "Show which backend a pod's connections went to, and how that is known";
  static override description =
    "For each live or recent connection of a pod or address: what it dialled, the backend's pod, node and process. Evidence comes from the pod's sockets, the socket load balancer's reverse map, conntrack and the service maps of the nodes, not from any agent. Exits 5 when there is no such connection.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> shop/web-0",
    "<%= config.bin %> <%= command.id %> shop/web-0 --to shop/cart --port 80",
    "<%= config.bin %> <%= command.id %> 10.244.0.12 --proto tcp -o json",
  ];
  static override args = {
    source: Args.string({ description: "[NS/]POD or address that connected", required: true }),
    destination: Args.string({ description: "[NS/]SERVICE, [NS/]POD or address that it connected to" }),
  };
  static override flags = {
    to: Flags.string({
      summary: "the destination, as the second argument",
      helpValue: "DESTINATION",
      helpGroup: "FILTER",
    }),
    namespace: nameFilterFlags.namespace,
    proto: singleProtocolFlag,
    port: singlePortFlag,
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(Which);
    if (flags.to !== undefined && args.destination !== undefined) {
      throw new UsageError("destination-twice", "the destination was named twice: by argument and by --to");
    }
    await using target = await openTarget(targetOf(flags));
    const question = {
      source: args.source,
      destination: args.destination ?? flags.to,
      namespace: flags.namespace,
      port: flags.port,
      protocol: flags.proto,
    };
    await this.printRows(whichList, flags, () => whichBackend(target, question, { signal: this.signal }));
  }
}

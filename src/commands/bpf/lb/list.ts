import { Flags } from "#oclif";
import {
  listLbBackends,
  listLbServices,
  listReverseNat,
  listSourceRanges,
} from "../../../actions/list-load-balancing.js";
import { openTarget } from "../../../actions/open-target.js";
import {
  lbBackendList,
  lbFrontendList,
  lbServiceList,
  revNatList,
  sourceRangeList,
} from "../../../output/lists/load-balancing-lists.js";
import { nameFilterFlags, protocolFilterFlags, serviceFilterFlag } from "../../flags/filter-flags.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { toRowSelection } from "../../flags/to-row-selection.js";
import { ReadCommand } from "../../read-command.js";

const views = ["frontends", "backends", "revnat", "source-ranges"];

/** The load balancer's maps: services with backends resolved, or one map as it is. */
export default class BpfLbList extends ReadCommand {
  static override summary = "List load balancer entries";
  static override description = "Without a flag: every frontend slot with the backend that it leads to.";
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> --backends --node node-1",
    "<%= config.bin %> <%= command.id %> --service shop/cart -o wide",
  ];
  static override flags = {
    frontends: Flags.boolean({ summary: "the service map as it is", exclusive: without("frontends") }),
    backends: Flags.boolean({ summary: "the backend map", exclusive: without("backends") }),
    revnat: Flags.boolean({ summary: "the reverse NAT map", exclusive: without("revnat") }),
    "source-ranges": Flags.boolean({
      summary: "the clients that services take, or refuse",
      exclusive: without("source-ranges"),
    }),
    ...nameFilterFlags,
    ...serviceFilterFlag,
    ...protocolFilterFlags,
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { flags } = await this.parse(BpfLbList);
    await using target = await openTarget(targetOf(flags));
    const selection = toRowSelection(flags);
    const options = this.readingFor(flags);
    if (flags.backends) await this.printRows(lbBackendList, flags, () => listLbBackends(target, selection, options));
    else if (flags.revnat) await this.printRows(revNatList, flags, () => listReverseNat(target, selection, options));
    else if (flags["source-ranges"]) {
      await this.printRows(sourceRangeList, flags, () => listSourceRanges(target, selection, options));
    } else {
      const format = flags.frontends ? lbFrontendList : lbServiceList;
      await this.printRows(format, flags, () => listLbServices(target, selection, options));
    }
  }
}

function without(name: string): string[] {
  return views.filter((view) => view !== name);
}

import { natClusterMap, natMap } from "../../../model/small-maps/nat.js";
import { clusterArgs, clustersOf } from "../../flags/cluster-args.js";
import { SmallMapCommand, smallMapFlags } from "../../small-map-command.js";

/** The address translation maps, streamed as the kernel hands them over. */
export default class BpfNatList extends SmallMapCommand {
  static override summary = natMap.summary;
  static override description = natMap.description;
  static override examples = [
    "<%= config.bin %> <%= command.id %> --pod shop/web-0",
    "<%= config.bin %> <%= command.id %> --port 443 --direction out -o wide",
    "<%= config.bin %> <%= command.id %> cluster 3",
  ];
  static override args = clusterArgs;
  static override flags = smallMapFlags(natMap);

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(BpfNatList);
    const clusters = clustersOf(args);
    if (clusters === undefined) await this.printSmallMap(natMap, flags);
    else await this.printSmallMap(natClusterMap, flags, clusters.ids?.map(String));
  }
}

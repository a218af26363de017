import { Args } from "#oclif";
import { UsageError } from "../../../../lib/errors.js";
import { IpAddress } from "../../../../lib/ip.js";
import { multicastSubscriberMap } from "../../../../model/small-maps/multicast.js";
import { SmallMapCommand, smallMapFlags } from "../../../small-map-command.js";

const all = "all";

/** The maps of the multicast groups. */
export default class BpfMulticastSubscriberList extends SmallMapCommand {
  static override summary = multicastSubscriberMap.summary;
  static override examples = [
    "<%= config.bin %> <%= command.id %>",
    "<%= config.bin %> <%= command.id %> 239.1.1.1 -o wide",
  ];
  static override args = {
    group: Args.custom<string>({ parse: async (text) => groupOf(text) })({
      description: "only of this group; all for all of them",
      default: all,
    }),
  };
  static override flags = smallMapFlags(multicastSubscriberMap);

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(BpfMulticastSubscriberList);
    await this.printSmallMap(multicastSubscriberMap, flags, args.group === all ? undefined : [args.group ?? all]);
  }
}

function groupOf(text: string): string {
  if (text === all) return all;
  const address = IpAddress.parse(text);
  const isGroup = address.family === 4 && address.bytes[0]! >> 4 === 14;
  if (isGroup) return address.text;
  throw new UsageError("bad-multicast-group", `${text} is no IPv4 multicast address (224.0.0.0/4)`);
}

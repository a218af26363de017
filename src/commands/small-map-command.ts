import { listSmallMap } from "../actions/list-small-map.js";
import { openTarget } from "../actions/open-target.js";
import type { RowSelection } from "../actions/row-selection.js";
import type { SmallMap, SmallMapRow } from "../model/small-maps/small-map.js";
import { smallMapList } from "../output/lists/small-map-list.js";
import { clockFlags } from "./flags/clock-flags.js";
import {
  directionFilterFlag,
  identityFilterFlag,
  nameFilterFlags,
  protocolFilterFlags,
  serviceFilterFlag,
} from "./flags/filter-flags.js";
import { listFlags } from "./flags/list-flags.js";
import { targetFlags, targetOf } from "./flags/target-flags.js";
import { toRowSelection } from "./flags/to-row-selection.js";
import { type ListFlags, ReadCommand } from "./read-command.js";

/** Values of {@link smallMapFlags}: of the filters those that the map has. */
export type SmallMapFlags = ListFlags & Parameters<typeof targetOf>[0] & Parameters<typeof toRowSelection>[0];

/** What the command of a small map takes, by its declaration. */
export function smallMapFlags<Row extends SmallMapRow>({ filters, isTimed }: SmallMap<Row>) {
  return {
    ...(filters?.hasAddresses === true ? nameFilterFlags : {}),
    ...(filters?.hasServices === true ? serviceFilterFlag : {}),
    ...(filters?.hasPorts === true ? protocolFilterFlags : {}),
    ...(filters?.hasIdentities === true ? identityFilterFlag : {}),
    ...(filters?.directions === undefined ? {} : directionFilterFlag(filters.directions)),
    ...targetFlags,
    ...(isTimed === true ? clockFlags : {}),
    ...listFlags,
  };
}

/** A command that lists a small map. */
export abstract class SmallMapCommand extends ReadCommand {
  /** @param outerKeys of maps in maps: only those under these keys, by their text */
  protected async printSmallMap<Row extends SmallMapRow>(
    map: SmallMap<Row>,
    flags: SmallMapFlags,
    outerKeys?: readonly string[],
  ): Promise<void> {
    await using target = await openTarget(targetOf(flags));
    const selection: RowSelection = toRowSelection(flags);
    const open = () => listSmallMap(target, map, { ...selection, outerKeys }, this.readingFor(flags));
    await this.printRows(smallMapList(map), flags, open);
  }
}

/** The command of a map that takes no argument. @param aliases other words for it */
export function smallMapCommand<Row extends SmallMapRow>(map: SmallMap<Row>, aliases: string[] = []) {
  return class SmallMapList extends SmallMapCommand {
    static override hiddenAliases = aliases;
    static override summary = map.summary;
    static override description = map.description;
    static override examples = ["<%= config.bin %> <%= command.id %>", "<%= config.bin %> <%= command.id %> -o wide"];
    static override flags = smallMapFlags(map);

    override async run(): Promise<void> {
      const { flags } = await this.parse(SmallMapList);
      await this.printSmallMap(map, flags);
    }
  };
}

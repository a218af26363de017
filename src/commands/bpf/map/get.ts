import { Args } from "#oclif";
import { getMapEntries } from "../../../actions/get-map.js";
import { openTarget } from "../../../actions/open-target.js";
import { UsageError } from "../../../lib/errors.js";
import type { MapEntriesRequest } from "../../../model/map-entries.js";
import { mapEntryList } from "../../../output/lists/map-entry-list.js";
import { boundedInteger } from "../../flags/flag-types.js";
import { listFlags } from "../../flags/list-flags.js";
import { targetFlags, targetOf } from "../../flags/target-flags.js";
import { ReadCommand } from "../../read-command.js";

/** What any map holds, whoever made it. */
export default class BpfMapGet extends ReadCommand {
  static override summary = "Show the entries of any map, or the one of a key";
  static override description =
    "Entries are shown by the map's BTF, else by the layout of the map of that name, else in hex. " +
    "A KEY is JSON as it is shown, a number where keys are numbers, or else bytes in hex (0a:00:00:01); " +
    "in a map of prefixes the longest that holds it answers.";
  static override examples = [
    "<%= config.bin %> <%= command.id %> cilium_lxc",
    "<%= config.bin %> <%= command.id %> cts_policy_maps 1532 --node node-1",
    "<%= config.bin %> <%= command.id %> /sys/fs/bpf/other/counters -o json --local",
    "<%= config.bin %> <%= command.id %> --id 4711 0a:00:00:01 --local",
  ];
  static override args = {
    name: Args.string({ description: "pin name, or path below the BPF file system; with --id the key" }),
    key: Args.string({ description: "only the entry of this key" }),
  };
  static override flags = {
    id: boundedInteger({
      summary: "the map with this id, pinned or not",
      helpValue: "N",
      min: 1,
      max: 0xffff_ffff,
    }),
    ...targetFlags,
    ...listFlags,
  };

  override async run(): Promise<void> {
    const { args, flags } = await this.parse(BpfMapGet);
    const request = requestOf(args, flags.id);
    await using target = await openTarget(targetOf(flags));
    await this.printRows(mapEntryList, flags, () => getMapEntries(target, request, { signal: this.signal }));
  }
}

interface MapArgs {
  readonly name?: string | undefined;
  readonly key?: string | undefined;
}

function requestOf({ name, key }: MapArgs, id: number | undefined): MapEntriesRequest {
  if (id === undefined && name === undefined) throw new UsageError("map-unnamed", "which map: a name, a path or --id");
  if (id === undefined) return { name, key };
  if (key !== undefined) throw new UsageError("map-conflict", "a map is told by its name or by --id, not by both");
  return { id, key: name };
}

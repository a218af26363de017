import { Flags } from "@oclif/core";
import type { TargetSelection } from "../../actions/open-target.js";

/** Which nodes are asked. */
export const targetFlags = {
  lab: Flags.string({
    summary: "lab to read (default: the only one that runs)",
    helpValue: "NAME",
    helpGroup: "TARGET",
  }),
  local: Flags.boolean({ summary: "read this machine's own kernel, as root", helpGroup: "TARGET" }),
  node: Flags.string({
    summary: "only this node; may be repeated",
    helpValue: "NAME",
    multiple: true,
    multipleNonGreedy: true,
    helpGroup: "TARGET",
  }),
  release: Flags.string({
    summary: "read the maps as this upstream release has them (default: decided from what is found; -v says how)",
    helpValue: "1.20",
    helpGroup: "TARGET",
  }),
};

/** What the target flags say. */
export function targetOf(flags: {
  readonly lab?: string | undefined;
  readonly local: boolean;
  readonly node?: readonly string[] | undefined;
  readonly release?: string | undefined;
}): TargetSelection {
  return { lab: flags.lab, isLocal: flags.local, nodes: flags.node, release: flags.release };
}

import { Flags } from "@oclif/core";

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
};

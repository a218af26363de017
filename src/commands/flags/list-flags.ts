import { Flags } from "#oclif";
import { outputWords, parseOutput } from "../../output/output-format.js";
import { boundedInteger } from "./flag-types.js";

/** How lists print. */
export const listFlags = {
  output: Flags.string({
    char: "o",
    summary: `output format: ${outputWords.join(", ")}`,
    helpValue: "FORMAT",
    helpGroup: "OUTPUT",
    default: "table",
    // Refused here already, so that nothing is asked of any node before; read again where it is used.
    parse: async (text) => {
      parseOutput(text);
      return text;
    },
  }),
  "no-headers": Flags.boolean({ summary: "leave the header line out", helpGroup: "OUTPUT" }),
  "sort-by": Flags.string({
    summary: "column header or JSON field (.source); a leading - sorts downwards",
    helpValue: "COLUMN",
    helpGroup: "OUTPUT",
  }),
  limit: boundedInteger({
    summary: "print at most this many rows",
    helpValue: "N",
    helpGroup: "OUTPUT",
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  }),
  "max-rows": boundedInteger({
    summary: "rows that sorting or a jsonpath may hold in memory",
    helpValue: "N",
    helpGroup: "OUTPUT",
    min: 1,
    max: Number.MAX_SAFE_INTEGER,
  }),
  watch: Flags.boolean({ char: "w", summary: "print the list again every two seconds", helpGroup: "OUTPUT" }),
  "allow-partial": Flags.boolean({
    summary: "exit 0 even when a node is missing or a list was cut short",
    helpGroup: "OUTPUT",
  }),
  verbose: Flags.boolean({ char: "v", summary: "say more on stderr", helpGroup: "OUTPUT" }),
};

/** As upstream's `bpf ct list -d`. */
export const timeDiffFlag = Flags.boolean({
  char: "d",
  summary: "with -o cilium: also print the time that remains",
  helpGroup: "OUTPUT",
});

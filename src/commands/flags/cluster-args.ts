import { Args } from "#oclif";
import { UsageError } from "../../lib/errors.js";

/** Upstream's words for which of the maps are read: all the node's own, or those for one other cluster. */
export const clusterArgs = {
  scope: Args.string({
    description: "global: the maps of all connections; cluster: those of connections with other clusters",
    options: ["global", "cluster"],
    default: "global",
  }),
  cluster: Args.custom<number>({ parse: async (text) => clusterId(text) })({
    description: "with cluster: only those with this one, by its id",
  }),
};

function clusterId(text: string): number {
  const id = /^\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (id <= 511) return id;
  throw new UsageError("bad-cluster-id", `"${text}" is no cluster id: a number from 0 to 511`);
}

/** What the arguments say: undefined for the global maps, else the clusters, all of them where none is named. */
export function clustersOf(args: {
  readonly scope: string;
  readonly cluster?: number | undefined;
}): { readonly ids?: readonly number[] } | undefined {
  if (args.scope === "cluster") return args.cluster === undefined ? {} : { ids: [args.cluster] };
  if (args.cluster === undefined) return undefined;
  throw new UsageError("surplus-cluster-id", `"${args.cluster}" is one word too many`, {
    nextSteps: [`say cluster ${args.cluster} for the maps of that cluster`],
  });
}

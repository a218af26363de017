import type { NodeFacts, ReaderCatalogue, ReaderName, ReaderRequest, ReaderRow, RowStream } from "../model/readers.js";
import { NodeContext, type NodePlace } from "./node-context.js";

type Reader<Name extends ReaderName> = (
  context: NodeContext,
  request: ReaderCatalogue[Name]["request"],
  signal: AbortSignal,
) => RowStream<ReaderCatalogue[Name]["row"]>;

/** Each reader is loaded when it is first asked for: a command needs one or two, and starts sooner without the rest. */
const loaders: { readonly [Name in ReaderName]: () => Promise<Reader<Name>> } = {
  conntrack: async () => (await import("./readers/conntrack-entries.js")).readConntrack,
  "conntrack-groups": async () => (await import("./readers/conntrack-groups.js")).readConntrackGroups,
  "lb-services": async () => (await import("./readers/load-balancing.js")).readLbServices,
  "lb-backends": async () => (await import("./readers/load-balancing.js")).readLbBackends,
  "lb-source-ranges": async () => (await import("./readers/load-balancing.js")).readLbSourceRanges,
  "lb-reverse-nat": async () => (await import("./readers/load-balancing.js")).readLbReverseNat,
  "socket-reverse-nat": async () => (await import("./readers/load-balancing.js")).readSocketReverseNat,
  maglev: async () => (await import("./readers/maglev.js")).readMaglev,
  ipcache: async () => (await import("./readers/ipcache.js")).readIpcache,
  "local-endpoints": async () => (await import("./readers/local-endpoints.js")).readLocalEndpoints,
  tunnels: async () => (await import("./readers/ipcache.js")).readTunnels,
  metrics: async () => (await import("./readers/metrics.js")).readMetrics,
  policy: async () => (await import("./readers/policy.js")).readPolicy,
  "small-map": async () => (await import("./readers/small-map.js")).readSmallMap,
  "map-entries": async () => (await import("./readers/map-entries.js")).readMapEntries,
  maps: async () => (await import("./readers/map-fill.js")).readMapFill,
  mounts: async () => (await import("./readers/mounts.js")).readMounts,
  templates: async () => (await import("./readers/templates.js")).readTemplates,
  "template-header": async () => (await import("./readers/templates.js")).readTemplateHeader,
  features: async () => (await import("./readers/features.js")).readFeatures,
  links: async () => (await import("./readers/links.js")).readLinks,
  events: async () => (await import("./readers/events.js")).readEvents,
  sockets: async () => (await import("./readers/sockets.js")).readSockets,
};

/** What is read without knowing whose layouts the node's maps have. */
const releaseless: ReadonlySet<ReaderName> = new Set<ReaderName>([
  "maps",
  "map-entries",
  "mounts",
  "template-header",
  "features",
  "links",
  "sockets",
]);

/** Everything that can be read on one node, for as long as a session lasts. Nothing is held between two reads. */
export class NodeReaders implements AsyncDisposable {
  readonly #context: NodeContext;

  private constructor(context: NodeContext) {
    this.#context = context;
  }

  static open(place: NodePlace): NodeReaders {
    return new NodeReaders(new NodeContext(place));
  }

  get facts(): NodeFacts {
    return this.#context.facts;
  }

  async *read<Name extends ReaderName>(
    name: Name,
    request: ReaderRequest<Name>,
    options: { readonly signal: AbortSignal },
  ): RowStream<ReaderRow<Name>> {
    const load: () => Promise<Reader<Name>> = loaders[name];
    const read = await load();
    if (!releaseless.has(name)) await this.#context.prepare(options.signal);
    const end = yield* read(this.#context, request, options.signal);
    return { ...end, release: this.#context.finding };
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}

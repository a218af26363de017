import type { NodeFacts, ReaderName, ReaderRequest, ReaderRow, RowStream } from "../model/readers.js";

/**
 * A session is one node's readers, wherever they run: in this process against a local or lab node, or in a pod.
 * Only `model` types cross it, so that every transport can carry them.
 */
export interface Session extends AsyncDisposable {
  readonly node: NodeFacts;
  /**
   * Streams rows of a node reader in batches; the generator's return value says whether that was everything.
   * An abort ends the stream with a partial {@link Completeness}, not with an error. Errors of the reader itself
   * (no such map, foreign layout) are thrown as the error tree's classes.
   */
  read<Name extends ReaderName>(
    name: Name,
    request: ReaderRequest<Name>,
    options: { readonly signal: AbortSignal },
  ): RowStream<ReaderRow<Name>>;
}

/** Opens sessions to the nodes of one target. */
export interface SessionTarget {
  /** E.g. `lab "demo"` or `this node`, for messages. */
  readonly description: string;
  readonly nodes: readonly SessionNode[];
}

export interface SessionNode {
  readonly name: string;
  /** Throws when the node is gone or cannot be read. */
  open(options: { readonly signal: AbortSignal }): Promise<Session>;
}

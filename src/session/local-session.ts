import { AgentError } from "../lib/errors.js";
import { type LabNodeRecord, labAgentSocket } from "../model/lab-record.js";
import type { NodeFacts, ReaderName, ReaderRequest, ReaderRow, RowStream } from "../model/readers.js";
import { isNodeAlive } from "./lab-directory.js";
import type { Session, SessionNode } from "./session.js";

/** How a node's maps are read, as far as the user says so. */
export interface ReadTerms {
  /** Upstream release whose layouts the maps have; else the node finds out. */
  readonly release?: string | undefined;
  /** Longest time in milliseconds that one call of the kernel may hold a CPU where it cannot be had in pieces. */
  readonly maxSliceMs?: number | undefined;
  /** What the node's clock said when its maps were captured: seconds of CLOCK_MONOTONIC. Default: now. */
  readonly nowSeconds?: number | undefined;
  /** Set where the datapath's clock is jiffies: how many a second. */
  readonly jiffiesHz?: number | undefined;
}

/** Where this process finds a node that runs on the same kernel. */
export interface NodeLocation extends ReadTerms {
  readonly name: string;
  /** Mount point of the node's BPF file system, as this process sees it. */
  readonly bpffs: string;
  /** The node's root folder, as this process sees it. */
  readonly root: string;
  /** Table of the node's mounts; absent when the node is where this process runs. */
  readonly mountInfo?: string | undefined;
  /** Branch of the cgroup2 tree that holds the node's processes; absent when the node is the whole machine. */
  readonly cgroupPath?: string | undefined;
  /** Where an agent of ours listens, as this process sees it. */
  readonly agentSocket?: string | undefined;
}

/** The node that this process runs on, as root. */
export function localNode(location: NodeLocation): SessionNode {
  return { name: location.name, open: async () => openLocalSession(location) };
}

/** A node of a lab on this machine; its files are reached through its pid 1's root. */
export function labNode(record: LabNodeRecord, terms: ReadTerms = {}): SessionNode {
  return {
    name: record.name,
    open: async () => {
      if (!(await isNodeAlive(record))) {
        throw new AgentError("lab-node-gone", `node ${record.name} of the lab is gone: its pid 1 has ended`, {
          nextSteps: ["kubectl cilium-ts lab status", "kubectl cilium-ts lab up   (brings a lab's nodes back)"],
        });
      }
      const { name, cgroupPath } = record;
      const root = `/proc/${record.initPid}/root`;
      const bpffs = `${root}/sys/fs/bpf`;
      const mountInfo = `/proc/${record.initPid}/mountinfo`;
      const agentSocket = labAgentSocket(record);
      return openLocalSession({ ...terms, name, bpffs, cgroupPath, root, mountInfo, agentSocket });
    },
  };
}

/** Runs the readers in this process. They are loaded here and nowhere else: a laptop never loads the addon. */
async function openLocalSession(location: NodeLocation): Promise<Session> {
  const { NodeReaders } = await import("../node/node-readers.js");
  return new LocalSession(NodeReaders.open(location));
}

/** What `node` offers; spelled here so that the types of `session` do not pull the readers in. */
interface Readers extends AsyncDisposable {
  readonly facts: NodeFacts;
  read<Name extends ReaderName>(
    name: Name,
    request: ReaderRequest<Name>,
    options: { readonly signal: AbortSignal },
  ): RowStream<ReaderRow<Name>>;
}

class LocalSession implements Session {
  readonly #readers: Readers;

  constructor(readers: Readers) {
    this.#readers = readers;
  }

  get node(): NodeFacts {
    return this.#readers.facts;
  }

  read<Name extends ReaderName>(
    name: Name,
    request: ReaderRequest<Name>,
    options: { readonly signal: AbortSignal },
  ): RowStream<ReaderRow<Name>> {
    return this.#readers.read(name, request, options);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#readers[Symbol.asyncDispose]();
  }
}

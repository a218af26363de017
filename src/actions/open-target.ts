import { StateError } from "../lib/errors.js";
import type { IpAddress } from "../lib/ip.js";
import { emptyNames } from "../model/names-document.js";
import { isCalled, type ServiceQuery } from "../model/service-query.js";
import { fetchAgentNames, isAgentFailure } from "../session/agent-client.js";
import { type ResolvedTarget, resolveTarget, type TargetSelection } from "../session/resolve-target.js";

import type { SessionNode } from "../session/session.js";
import { FolderStateSource } from "../state/folder-state-source.js";
import type { StateSource } from "../state/state-source.js";
import { agentSockets } from "./agent-sockets.js";
import { NameIndex } from "./names/name-index.js";
import { readNamesFromState } from "./names/names-from-state.js";
import { AgentServices, FallbackServices, type ServiceDirectory, StateServices } from "./names/service-directory.js";
import { type RowSelection, servicesOfSelection } from "./row-selection.js";

export type { TargetSelection };

/** The nodes that a command asks, and the names of the addresses on them. */
export interface Target extends AsyncDisposable {
  readonly description: string;
  readonly resolved: ResolvedTarget;
  readonly nodes: readonly SessionNode[];
  /**
   * Names as they are now, read once, kept for the target's life; of Services those that the selection speaks of, and
   * those of {@link learnServices}.
   */
  names(selection?: Pick<RowSelection, "namespace" | "selector" | "pods" | "services">): Promise<NameIndex>;
  /** Takes the Services that have these ends into the names, so that reading rows costs no more than their own names. */
  learnServices(ends: Iterable<TransportEnd>): Promise<void>;
  /** Reads the names anew, for commands that outlive pods; the old ones stay while new ones cannot be had. */
  refreshNames(): Promise<void>;
  /** The cluster's objects, where they can be read without an API server. */
  readonly state: StateSource | undefined;
  /** Why names are missing, for the footer; empty when they are there. */
  readonly notes: readonly string[];
}

/** Where a Service may be. */
export interface TransportEnd {
  readonly address: IpAddress;
  readonly port: number;
}

/** @throws UsageError, NotFoundError as {@link resolveTarget} */
export async function openTarget(selection: TargetSelection): Promise<Target> {
  const resolved = await resolveTarget(selection);
  const state = resolved.kind === "lab" ? await openLabState(resolved.lab.stateDir) : undefined;
  return new OpenTarget(resolved, state);
}

async function openLabState(folder: string): Promise<StateSource> {
  try {
    return await FolderStateSource.open(folder);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code !== "EACCES" && code !== "EPERM" && code !== "EROFS") throw error;
    throw new StateError("state-unreadable", `opening the lab's state in ${folder} failed: ${message}`, {
      nextSteps: ["run the command as root"],
      cause: error,
    });
  }
}

/** How many addresses and ports a target remembers to have asked for: some MB. */
const askedLimit = 65_536;

function isUnspecified({ word0, word1, word2, word3 }: IpAddress): boolean {
  return (word0 | word1 | word2 | word3) === 0;
}

/** A resolved target with its names; `state` is undefined on a node itself. */
export class OpenTarget implements Target {
  readonly resolved: ResolvedTarget;
  readonly state: StateSource | undefined;
  readonly notes: string[] = [];
  readonly #services: ServiceDirectory;
  /** What was asked for already: addresses, and node ports as `:30080`. */
  readonly #asked = new Set<number | string>();
  #names: Promise<NameIndex> | undefined;

  constructor(resolved: ResolvedTarget, state: StateSource | undefined) {
    this.resolved = resolved;
    this.state = state;
    const agents = new AgentServices(agentSockets(resolved).map(({ path }) => path));
    this.#services = state === undefined ? agents : new FallbackServices(agents, new StateServices(state));
  }

  get description(): string {
    return this.resolved.description;
  }

  get nodes(): readonly SessionNode[] {
    return this.resolved.nodes;
  }

  async names(selection: RowSelection = {}): Promise<NameIndex> {
    this.#names ??= this.#readNames();
    const names = await this.#names;
    const query = servicesOfSelection(selection);
    if (query === undefined || names.missingReason !== undefined) return names;
    const failure = await this.#addServices(names, query);
    // Who filters by Services must not get an answer that knows none of them.
    if (failure !== undefined) return new NameIndex(emptyNames, failure);
    const isKnown = (text: string): boolean =>
      [...names.services, ...names.document.pods].some((candidate) => isCalled(candidate, text));
    // Whoever asked for what is not there is told what is.
    if (query.names?.every(isKnown) === false) await this.#addServices(names, { all: true });
    return names;
  }

  async learnServices(ends: Iterable<TransportEnd>): Promise<void> {
    const names = await this.names();
    if (names.missingReason !== undefined) return;
    // To ask again costs a question; to remember each address that half a million connections go to costs memory.
    if (this.#asked.size > askedLimit) this.#asked.clear();
    const addresses: string[] = [];
    const nodePorts: number[] = [];
    for (const { address, port } of ends) {
      const owner = names.ofAddress(address);
      // Frontends at the unspecified address and at nodes' own are node ports: of any number of Services.
      const isNode = isUnspecified(address) || owner?.kind === "node";
      if (isNode && this.#isUnasked(`:${port}`)) nodePorts.push(port);
      // A node's address may be an external address of a Service too.
      const mayBeService = !isUnspecified(address) && (isNode || owner === undefined);
      if (mayBeService && this.#isUnasked(address.key)) addresses.push(address.text);
    }
    if (addresses.length + nodePorts.length > 0) await this.#addServices(names, { addresses, nodePorts });
  }

  async refreshNames(): Promise<void> {
    const fresh = await this.#readNames();
    if (fresh.missingReason !== undefined) return;
    this.#names = Promise.resolve(fresh);
    this.#asked.clear();
  }

  /** Whether this is asked for the first time; it counts as asked from then on. */
  #isUnasked(key: number | string): boolean {
    if (this.#asked.has(key)) return false;
    this.#asked.add(key);
    return true;
  }

  /** Why they could not be had, which the footer then says too. */
  async #addServices(names: NameIndex, query: ServiceQuery): Promise<string | undefined> {
    try {
      names.addServices(await this.#services.find(query));
      return undefined;
    } catch (error) {
      if (!isAgentFailure(error)) throw error;
      this.#say(`names of Services are missing: ${error.message}`);
      return error.message;
    }
  }

  #say(note: string): void {
    if (!this.notes.includes(note)) this.notes.push(note);
  }

  async #readNames(): Promise<NameIndex> {
    if (this.state !== undefined) return new NameIndex(await readNamesFromState(this.state));
    if (this.resolved.kind !== "local") return new NameIndex(emptyNames);
    try {
      return new NameIndex(await fetchAgentNames(this.resolved.agentSocket));
    } catch (error) {
      if (!isAgentFailure(error)) throw error;
      this.#say(`names of pods and services are missing: ${error.message}`);
      return new NameIndex(emptyNames, error.message);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.state?.[Symbol.asyncDispose]();
  }
}

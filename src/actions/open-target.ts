import { AgentError, StateError, TimeoutError } from "../lib/errors.js";
import { emptyNames } from "../model/names-document.js";
import { fetchAgentNames } from "../session/agent-client.js";
import { type ResolvedTarget, resolveTarget, type TargetSelection } from "../session/resolve-target.js";
import type { SessionNode } from "../session/session.js";
import { FolderStateSource } from "../state/folder-state-source.js";
import type { StateSource } from "../state/state-source.js";
import { NameIndex } from "./names/name-index.js";
import { readNamesFromState } from "./names/names-from-state.js";

/** The nodes that a command asks, and the names of the addresses on them. */
export interface Target extends AsyncDisposable {
  readonly description: string;
  readonly resolved: ResolvedTarget;
  readonly nodes: readonly SessionNode[];
  /** Names as they are now; read once, kept for the target's life. */
  names(): Promise<NameIndex>;
  /** The cluster's objects, where they can be read without an API server. */
  readonly state: StateSource | undefined;
  /** Why names are missing, for the footer; empty when they are there. */
  readonly notes: readonly string[];
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

class OpenTarget implements Target {
  readonly resolved: ResolvedTarget;
  readonly state: StateSource | undefined;
  readonly notes: string[] = [];
  #names: Promise<NameIndex> | undefined;

  constructor(resolved: ResolvedTarget, state: StateSource | undefined) {
    this.resolved = resolved;
    this.state = state;
  }

  get description(): string {
    return this.resolved.description;
  }

  get nodes(): readonly SessionNode[] {
    return this.resolved.nodes;
  }

  names(): Promise<NameIndex> {
    this.#names ??= this.#readNames();
    return this.#names;
  }

  async #readNames(): Promise<NameIndex> {
    if (this.state !== undefined) return new NameIndex(await readNamesFromState(this.state));
    if (this.resolved.kind !== "local") return new NameIndex(emptyNames);
    try {
      return new NameIndex(await fetchAgentNames(this.resolved.agentSocket));
    } catch (error) {
      if (!(error instanceof AgentError || error instanceof TimeoutError)) throw error;
      this.notes.push(`names of pods and services are missing: ${error.message}`);
      return new NameIndex(emptyNames, error.message);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.state?.[Symbol.asyncDispose]();
  }
}

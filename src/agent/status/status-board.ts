/** `degraded` works with a problem that a human should know; `failed` does not do its work. */
export type SubsystemState = "starting" | "ok" | "degraded" | "failed";

export interface Subsystem {
  readonly name: string;
  readonly state: SubsystemState;
  /** In words, one sentence each; empty when all is well. */
  readonly problems: readonly string[];
  /** When the state was entered. */
  readonly since: string;
}

const severity: Readonly<Record<SubsystemState, number>> = { ok: 0, starting: 1, degraded: 2, failed: 3 };

/** How every part of the agent is, for `GET /v1/status`, health and metrics. */
export class StatusBoard {
  readonly #subsystems = new Map<string, Subsystem>();
  readonly #now: () => Date;

  constructor(names: readonly string[], now: () => Date = () => new Date()) {
    this.#now = now;
    for (const name of names) this.set(name, "starting");
  }

  set(name: string, state: SubsystemState, problems: readonly string[] = []): void {
    const before = this.#subsystems.get(name);
    const since = before?.state === state ? before.since : this.#now().toISOString();
    this.#subsystems.set(name, { name, state, problems, since });
  }

  /** `ok` when there are no problems, `degraded` otherwise. */
  report(name: string, problems: readonly string[]): void {
    this.set(name, problems.length === 0 ? "ok" : "degraded", problems);
  }

  subsystems(): readonly Subsystem[] {
    return [...this.#subsystems.values()];
  }

  /** The worst state of all. */
  overall(): SubsystemState {
    return this.subsystems().reduce<SubsystemState>(
      (worst, { state }) => (severity[state] > severity[worst] ? state : worst),
      "ok",
    );
  }

  problems(): readonly string[] {
    return this.subsystems().flatMap(({ name, problems }) => problems.map((problem) => `${name}: ${problem}`));
  }
}

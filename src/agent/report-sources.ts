import type { AgentOptions } from "./agent-options.js";
import type { AgentRuntime } from "./agent-runtime.js";
import type { ProcessMonitor } from "./metrics/process-facts.js";
import type { StatusBoard } from "./status/status-board.js";

/** What an agent's answers about itself are made of. */
export interface ReportSources {
  readonly options: AgentOptions;
  readonly status: StatusBoard;
  readonly monitor: ProcessMonitor;
  readonly starts: number;
  /** Pending while the agent starts. */
  readonly runtime: Promise<AgentRuntime>;
}

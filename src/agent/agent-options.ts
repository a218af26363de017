import type { Logger } from "../lib/log.js";
import type { AgentConfig } from "../model/agent-config.js";
import type { DatapathPort } from "../model/datapath-port.js";
import type { StateSource } from "../state/state-source.js";
import type { LinkPort } from "./endpoints/endpoint-link.js";
import type { LocalNode } from "./nodes/local-node.js";

/** What an agent needs from outside; nothing is looked up behind its back. */
export interface AgentOptions {
  readonly nodeName: string;
  readonly version: string;
  /** Belongs to the caller, who closes it after the agent. */
  readonly state: StateSource;
  readonly runDir: string;
  /** Opens the datapath once node and settings are known. */
  readonly openDatapath: (options: { readonly config: AgentConfig; readonly node: LocalNode }) => Promise<DatapathPort>;
  readonly links: LinkPort;
  readonly log: Logger;
}

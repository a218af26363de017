import type { DatapathPort } from "../../model/datapath-port.js";
import type { AgentCaches } from "../agent-caches.js";
import type { EndpointTable } from "../endpoints/endpoint-table.js";
import type { PrefixIdentities } from "../identities/prefix-identities.js";
import type { LocalNode } from "../nodes/local-node.js";
import type { StatusBoard } from "../status/status-board.js";
import { desiredIpcache } from "./desired-ipcache.js";
import { IpcacheWriter } from "./ipcache-writer.js";

export interface IpcacheSyncOptions {
  readonly node: LocalNode;
  readonly table: EndpointTable;
  readonly caches: Pick<AgentCaches, "ciliumEndpoints" | "ciliumNodes">;
  readonly prefixes: PrefixIdentities;
  readonly nodePrefixes: PrefixIdentities;
  readonly datapath: Pick<DatapathPort, "writeIpcache" | "updateIpcache">;
  readonly status: StatusBoard;
}

/** Returns what makes the ipcache what the state says. */
export function createIpcacheSync(options: IpcacheSyncOptions): () => void {
  const { node, table, caches, prefixes, nodePrefixes, datapath, status } = options;
  const writer = new IpcacheWriter(datapath);
  return () => {
    const { entries, problems } = desiredIpcache({
      node,
      endpoints: table.placed(),
      ciliumEndpoints: [...caches.ciliumEndpoints.items().values()],
      ciliumNodes: [...caches.ciliumNodes.items().values()],
      prefixes: prefixes.list(),
      nodePrefixes: nodePrefixes.list(),
    });
    writer.write(entries);
    status.report("ipcache", problems);
  };
}

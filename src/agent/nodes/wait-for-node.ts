import type { IpFamily } from "../../lib/ip.js";
import type { Logger } from "../../lib/log.js";
import type { KubeNode } from "../../model/kubernetes.js";
import type { Informer } from "../../state/watch-cache.js";
import type { StatusBoard } from "../status/status-board.js";
import { type NodeSpec, readNodeSpec } from "./local-node.js";

/** Waits until the Node of this agent has an internal address and a podCIDR of each family; says in the status what is missing. */
export async function waitForNode(options: {
  readonly name: string;
  readonly families: readonly IpFamily[];
  readonly nodes: Informer<KubeNode>;
  readonly signal: AbortSignal;
  readonly status: StatusBoard;
  readonly log: Logger;
}): Promise<{ readonly node: KubeNode; readonly spec: NodeSpec }> {
  const { name, families, nodes, signal, status, log } = options;
  await nodes.ready;
  let told = "";
  for (;;) {
    signal.throwIfAborted();
    const node = nodes.get(name);
    const spec = readNodeSpec(node, name, families);
    if (node !== undefined && !("missing" in spec)) {
      status.set("node", "ok");
      return { node, spec };
    }
    const missing = "missing" in spec ? spec.missing : "";
    if (missing !== told) log.info({ missing }, "waiting for the node");
    told = missing;
    status.set("node", "starting", [missing]);
    await nextChange(nodes, name, signal);
  }
}

function nextChange(nodes: Informer<KubeNode>, name: string, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      stop();
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const stop = nodes.onChange(({ key }) => {
      if (key === name) finish();
    });
    signal.addEventListener("abort", finish, { once: true });
  });
}

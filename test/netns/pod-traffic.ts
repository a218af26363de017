import type { EndpointRow } from "../../src/model/rows.js";
import type { AgentNode } from "./agent-node.js";

/** What the agent says of its endpoints. */
export async function endpoints(node: AgentNode): Promise<readonly EndpointRow[]> {
  return ((await node.get("/v1/endpoints")).body as { readonly items: readonly EndpointRow[] }).items;
}

export async function addressOf(node: AgentNode, pod: string): Promise<string> {
  return (await endpoints(node)).find((endpoint) => endpoint.podName === pod)!.ipv4!;
}

/** A server that tells its name, as long as the handle lives. */
export async function serve(node: AgentNode, pod: string): Promise<Disposable> {
  const server = node.spawnInPod(
    pod,
    `require("net").createServer((s) => { s.on("error", () => {}); s.on("data", () => s.write("${pod}")); })
       .listen(8080, "0.0.0.0", () => console.log("listening"))`,
  );
  await new Promise((resolve) => server.stdout!.once("data", resolve));
  return { [Symbol.dispose]: () => void server.kill("SIGKILL") };
}

/** What the server at the address says, or the error's code. */
export function ask(node: AgentNode, pod: string, address: string, port = 8080): Promise<string> {
  return node.runInPod(
    pod,
    `const s = require("net").connect({ host: "${address}", port: ${port}, timeout: 10000 }, () => s.write("?"));
     s.on("data", (d) => { console.log(String(d)); s.destroy(); });
     s.on("timeout", () => { console.log("timeout"); s.destroy(); });
     s.on("error", (e) => console.log(e.code));`,
  );
}

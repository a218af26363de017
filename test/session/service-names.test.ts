import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AgentServices, FallbackServices, StateServices } from "../../src/actions/names/service-directory.js";
import { OpenTarget } from "../../src/actions/open-target.js";
import { resolveSelection } from "../../src/actions/row-selection.js";
import { IpAddress } from "../../src/lib/ip.js";
import {
  type KubeEndpointSlice,
  type KubeService,
  resourceTypes,
  SERVICE_NAME_LABEL,
} from "../../src/model/kubernetes.js";
import { emptyNames, type NamedService, type NamesDocument } from "../../src/model/names-document.js";
import type { ServiceQuery } from "../../src/model/service-query.js";
import { localNode } from "../../src/session/local-session.js";
import { FolderStateSource } from "../../src/state/folder-state-source.js";

let folder: string;
const servers: Server[] = [];

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cts-t-names-"));
});
afterEach(async () => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
  rmSync(folder, { recursive: true, force: true });
});

async function readBody(message: IncomingMessage): Promise<ServiceQuery> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  return JSON.parse(Buffer.concat(chunks).toString()) as ServiceQuery;
}

/** An agent that has these names and answers each query with what `answer` says; undefined: it is starting. */
async function serve(
  name: string,
  answer: (query: ServiceQuery) => readonly NamedService[] | undefined,
  names: NamesDocument = emptyNames,
): Promise<string> {
  const socketPath = join(folder, name);
  const server = createServer(async (message, response) => {
    if (message.url === "/v1/names") return response.end(JSON.stringify(names));
    const items = answer(await readBody(message));
    return response.writeHead(items === undefined ? 503 : 200).end(JSON.stringify({ items }));
  });
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(socketPath, resolve));
  return socketPath;
}

function openNode(agentSocket: string): OpenTarget {
  const nodes = [localNode({ name: "here", bpffs: folder, root: folder })];
  return new OpenTarget({ kind: "local", description: "this node", nodes, agentSocket }, undefined);
}

const named = (name: string): NamedService => ({ namespace: "shop", name, frontends: [], backends: [] });

describe("names of Services", () => {
  test("come from the first agent that answers, and who does not is asked once", async () => {
    let asked = 0;
    const starting = await serve("starting.sock", () => {
      asked++;
      return undefined;
    });
    const running = await serve("running.sock", () => [named("cart")]);
    const services = new AgentServices([join(folder, "none.sock"), starting, running]);
    expect(await services.find({ names: ["cart"] })).toEqual([named("cart")]);
    expect(await services.find({ names: ["cart"] })).toEqual([named("cart")]);
    expect(asked).toBe(1);
  });

  test("are asked for in requests that the agent takes, each address once", async () => {
    const queries: ServiceQuery[] = [];
    const socket = await serve("agent.sock", (query) => {
      queries.push(query);
      return [];
    });
    const addresses = Array.from({ length: 2500 }, (_, index) => `fd00:1111:2222:3333:4444:5555:6666:${index}`);
    await new AgentServices([socket]).find({ addresses, nodePorts: [30080] });
    expect(queries.flatMap((query) => query.addresses ?? [])).toEqual(addresses);
    expect(queries.flatMap((query) => query.nodePorts ?? [])).toEqual([30080]);
    for (const query of queries) expect(JSON.stringify(query).length).toBeLessThan(64 * 1024);
  });

  test("are unknown when no agent answers, and the last one's reason is told each time", async () => {
    const starting = await serve("starting.sock", () => undefined);
    const services = new AgentServices([join(folder, "none.sock"), starting]);
    await expect(services.find({ names: ["cart"] })).rejects.toThrow("503");
    await expect(services.find({ names: ["cart"] })).rejects.toThrow("503");
    await expect(new AgentServices([]).find({ names: ["cart"] })).rejects.toThrow("no agent");
  });

  test("are not taken for none where rows are chosen by them: an agent that starts is an error, not an empty list", async () => {
    const agentSocket = await serve("agent.sock", () => undefined);
    for (const selection of [{ services: ["shop/cart"] }, { namespace: "shop" }]) {
      await using target = openNode(agentSocket);
      const names = await target.names(selection);
      expect(() => resolveSelection(selection, names)).toThrow("503");
      expect(target.notes.join()).toContain("503");
    }
  });

  test("are asked for once at each address and at each node port, however many ends share them", async () => {
    const queries: ServiceQuery[] = [];
    const names = { ...emptyNames, nodes: [{ name: "here", addresses: ["192.0.2.1"], podCidrs: [] }] };
    const ask = (query: ServiceQuery): readonly NamedService[] => {
      queries.push(query);
      return [];
    };
    await using target = openNode(await serve("agent.sock", ask, names));
    const learn = (...ends: readonly [address: string, port: number][]): Promise<void> =>
      target.learnServices(ends.map(([address, port]) => ({ address: IpAddress.parse(address), port })));
    await learn(["192.0.2.1", 30080], ["192.0.2.1", 30081], ["0.0.0.0", 30080], ["10.96.0.1", 80], ["10.96.0.1", 443]);
    expect(queries.splice(0)).toEqual([{ addresses: ["192.0.2.1", "10.96.0.1"], nodePorts: [30080, 30081] }]);
    await learn(["192.0.2.1", 30080], ["0.0.0.0", 30081], ["10.96.0.1", 8080]);
    expect(queries.splice(0)).toEqual([]);
    await learn(["192.0.2.1", 30082], ["10.96.0.2", 30080]);
    expect(queries.splice(0)).toEqual([{ addresses: ["10.96.0.2"], nodePorts: [30082] }]);
  });

  test("come from the state while agents are down", async () => {
    await using state = await FolderStateSource.open(join(folder, "state"));
    const metadata = { namespace: "shop", name: "cart" };
    const spec: KubeService["spec"] = { clusterIP: "10.96.0.1", ports: [{ port: 80 }] };
    const slice: KubeEndpointSlice = {
      apiVersion: "discovery.k8s.io/v1",
      kind: "EndpointSlice",
      metadata: { namespace: "shop", name: "cart-1", labels: { [SERVICE_NAME_LABEL]: "cart" } },
      addressType: "IPv4",
      ports: [{ port: 8080 }],
      endpoints: [{ addresses: ["10.244.0.2"] }],
    };
    await state.create(resourceTypes.services, { apiVersion: "v1", kind: "Service", metadata, spec });
    await state.create(resourceTypes.endpointSlices, slice);
    const services = new FallbackServices(new AgentServices([join(folder, "none.sock")]), new StateServices(state));
    const [cart] = await services.find({ addresses: ["10.96.0.1"] });
    expect(cart).toMatchObject({ name: "cart", backends: [{ address: "10.244.0.2", port: 8080 }] });
    expect(await services.find({ addresses: ["10.96.0.9"] })).toEqual([]);
  });

  test("of pods are read anew when asked to, and the old ones stay while nobody answers", async () => {
    const document: { -readonly [Field in keyof NamesDocument]: NamesDocument[Field] } = { ...emptyNames };
    const agentSocket = await serve("agent.sock", () => [], document);
    await using target = openNode(agentSocket);
    const nameOf = async (address: string): Promise<string | undefined> =>
      (await target.names()).ofAddress(address)?.name;
    expect(await nameOf("10.0.0.7")).toBeUndefined();
    document.pods = [{ namespace: "shop", name: "late", addresses: ["10.0.0.7"], node: "here" }];
    expect(await nameOf("10.0.0.7")).toBeUndefined();
    await target.refreshNames();
    expect(await nameOf("10.0.0.7")).toBe("late");
    for (const server of servers) server.close();
    await target.refreshNames();
    expect(await nameOf("10.0.0.7")).toBe("late");
  });
});

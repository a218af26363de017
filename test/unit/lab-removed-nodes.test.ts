import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { deleteObjectsOfRemovedNodes } from "../../src/lab/removed-node-objects.js";
import { type CiliumEndpoint, type CiliumNode, resourceTypes } from "../../src/model/kubernetes.js";
import { FolderStateSource } from "../../src/state/folder-state-source.js";

const { ciliumNodes, ciliumEndpoints } = resourceTypes;

let folder: string;
let state: FolderStateSource;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cts-t-removed-"));
  state = await FolderStateSource.open(folder);
});
afterEach(async () => {
  await state[Symbol.asyncDispose]();
  await rm(folder, { recursive: true });
});

async function publish(nodes: Readonly<Record<string, string>>, endpoints: Readonly<Record<string, string>>) {
  for (const [name, ip] of Object.entries(nodes)) {
    const spec: CiliumNode["spec"] = { addresses: [{ type: "InternalIP", ip }] };
    await state.create(ciliumNodes, { apiVersion: "cilium.io/v2", kind: "CiliumNode", metadata: { name }, spec });
  }
  for (const [name, node] of Object.entries(endpoints)) {
    const status = { networking: { addressing: [], node } } as CiliumEndpoint["status"] & object;
    const metadata = { namespace: "shop", name };
    await state.create(ciliumEndpoints, { apiVersion: "cilium.io/v2", kind: "CiliumEndpoint", metadata, status });
  }
}

async function left(): Promise<readonly string[]> {
  const nodes = (await state.list(ciliumNodes)).items.map(({ metadata }) => metadata.name);
  const endpoints = (await state.list(ciliumEndpoints)).items.map(({ metadata }) => metadata.name);
  return [...nodes, ...endpoints].sort();
}

describe("what agents of removed nodes had published", () => {
  it("goes with their nodes; what others published stays", async () => {
    await publish(
      { n1: "172.18.0.2", n2: "172.18.0.3" },
      { one: "172.18.0.2", two: "172.18.0.3", three: "172.18.0.9" },
    );
    await deleteObjectsOfRemovedNodes(state, new Map([["n1", "172.18.0.2"]]));
    expect(await left()).toEqual(["n1", "one"]);
  });

  it("goes also when a new node has the address already", async () => {
    await publish({ n1: "172.18.0.2", n2: "172.18.0.3" }, { one: "172.18.0.2", two: "172.18.0.3" });
    const nodes = new Map([
      ["n1", "172.18.0.2"],
      ["n3", "172.18.0.3"],
    ]);
    await deleteObjectsOfRemovedNodes(state, nodes);
    expect(await left()).toEqual(["n1", "one"]);
  });

  it("of a node that has endpoints and is not published yet stays", async () => {
    await publish({}, { one: "172.18.0.2" });
    await deleteObjectsOfRemovedNodes(state, new Map([["n1", "172.18.0.2"]]));
    expect(await left()).toEqual(["one"]);
  });
});

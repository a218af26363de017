import { expect, it } from "vitest";
import { AgentCluster, type AgentNode } from "./agent-node.js";
import { MortalAgent, writesToDieAt } from "./support/mortal-agent.js";

/** What a node has when its agent is ready; numbers and hardware addresses are new on each node. */
function shapeOf(node: AgentNode): object {
  const maps = Object.entries(node.dumpMaps()).map(([name, entries]) => [name, entries.length]);
  return { maps: Object.fromEntries(maps), links: Object.keys(node.linkIds()) };
}

/** The first agent of a new node dies before this write, if it makes so many; the next one starts and stays. */
async function startTwice(write: number): Promise<{ readonly isDead: boolean; readonly shape: object }> {
  await using cluster = await AgentCluster.create();
  const node = await cluster.addNode("a");
  new MortalAgent(node).planStart(write);
  const isDead = await node.start().then(
    () => false,
    () => node.isDead(),
  );
  if (isDead) await node.start();
  return { isDead, shape: shapeOf(node) };
}

it("an agent whose predecessor was killed in the middle of the node's very first start makes all of it", async () => {
  const { shape: expected } = await startTwice(Number.POSITIVE_INFINITY);
  let deaths = 0;
  for (const write of writesToDieAt()) {
    const { isDead, shape } = await startTwice(write);
    expect(shape, `killed before write ${write}`).toEqual(expected);
    if (!isDead) break;
    deaths++;
  }
  expect(deaths).toBeGreaterThan(4);
});

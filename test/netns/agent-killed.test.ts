import { isDeepStrictEqual } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { resourceTypes } from "../../src/model/kubernetes.js";
import { AgentCluster, type AgentNode, until } from "./agent-node.js";
import { addressOf, ask, endpoints, serve } from "./pod-traffic.js";
import { MortalAgent, writesToDieAt } from "./support/mortal-agent.js";
import { OpenConnection } from "./support/open-connection.js";

let cluster: AgentCluster;
let a: AgentNode;
let mortal: MortalAgent;
let connection: OpenConnection;
let firstIdentity: number;
const resources: Disposable[] = [];

beforeAll(async () => {
  cluster = await AgentCluster.create();
  a = await cluster.addNode("a");
  mortal = new MortalAgent(a);
  await a.start();
  for (const name of ["client", "web", "other", "late"]) await cluster.createPod(name, "a", { app: name });
  for (const name of ["client", "web", "other"]) await a.add(name);
  a.createSandbox("late");
  for (const name of ["web", "other"]) resources.push(await serve(a, name));
  // A backend keeps its number as long as a Service has it.
  await cluster.createService("web", "10.96.0.11", await addressOf(a, "web"));
  await cluster.createService("other", "10.96.0.12", await addressOf(a, "other"));
  await cluster.createService("shop", "10.96.0.10", await addressOf(a, "web"));
  await until("the service answers", async () => (await ask(a, "client", "10.96.0.10", 80)) === "web");
  connection = await OpenConnection.open(a, "client", "10.96.0.10", 80);
  resources.push(connection);
  firstIdentity = await identityOfOther();
});

afterAll(async () => {
  for (const resource of resources) resource[Symbol.dispose]();
  await cluster?.[Symbol.asyncDispose]();
});

interface Change {
  /** Resolves once the kernel holds it; rejects when the agent dies. Made again, it ends the same. */
  readonly make: () => Promise<void>;
  readonly undo: () => Promise<void>;
  /** The change is an agent's start: it is the next agent that dies. */
  readonly isStart?: true;
  /** Numbers and addresses are new each time: only what is left when it is undone can be compared. */
  readonly isNewEachTime?: true;
}

const facts = () => ({ maps: a.dumpMaps(), links: a.linkIds(), pods: a.podLinks() });

async function expectFacts(expected: ReturnType<typeof facts>, when: string): Promise<void> {
  await until(when, () => isDeepStrictEqual(facts(), expected), 10_000).catch(() => undefined);
  expect(facts(), when).toEqual(expected);
}

/** Waits for what an agent brings about, as long as it lives. */
async function untilDeath(what: string, isTrue: () => Promise<boolean>): Promise<void> {
  await until(what, () => {
    if (a.isDead()) throw new Error("the agent died");
    return isTrue();
  });
}

/** Lets the agent die before this write of the change, and the next one finish. False when the change has no such write. */
async function dieAt(change: Change, write: number): Promise<boolean> {
  if (change.isStart) mortal.planStart(write);
  else await mortal.plan(write);
  const failure: unknown = await change.make().then(
    () => undefined,
    (error: unknown) => error,
  );
  if (failure === undefined) await mortal.pardon();
  else
    await until("the agent is dead", () => a.isDead()).catch(() => {
      throw failure;
    });
  if (!a.isDead()) return false;
  await a.start();
  // A start has made itself up for; whoever asked for something else asks again.
  if (!change.isStart) await change.make();
  return true;
}

/** How often the agent died; each time all must end as if it had not. */
async function killAtEachWrite(change: Change): Promise<number> {
  const before = facts();
  await change.make();
  await a.stop("SIGTERM");
  await a.start();
  const expected = facts();
  let deaths = 0;
  for (const write of writesToDieAt()) {
    await change.undo();
    await expectFacts(before, `undone after ${deaths} deaths`);
    if (!(await dieAt(change, write))) break;
    deaths++;
    if (!change.isNewEachTime) await expectFacts(expected, `killed before write ${write}`);
    expect(await connection.ask(), `killed before write ${write}`).toBe("web");
  }
  return deaths;
}

async function pointServiceAt(pod: string): Promise<void> {
  await cluster.setBackend("shop", await addressOf(a, pod));
  await untilDeath(`${pod} answers`, async () => (await ask(a, "client", "10.96.0.10", 80)) === pod);
}

async function identityOfOther(): Promise<number> {
  return (await endpoints(a)).find(({ podName }) => podName === "other")!.identity;
}

async function labelOther(labels: Readonly<Record<string, string>>, isFirst: boolean): Promise<void> {
  const pod = (await cluster.state.get(resourceTypes.pods, { namespace: "shop", name: "other" }))!;
  await cluster.state.update(resourceTypes.pods, { ...pod, metadata: { ...pod.metadata, labels } });
  await untilDeath("the identity follows", async () => ((await identityOfOther()) === firstIdentity) === isFirst);
}

const isKnown = async (pod: string) => (await endpoints(a)).some(({ podName }) => podName === pod);

const changes: Readonly<Record<string, Change>> = {
  "its own start": {
    async make() {
      await a.stop("SIGKILL");
      await a.start();
    },
    undo: async () => undefined,
    isStart: true,
  },
  "an ADD": {
    async make() {
      if (await isKnown("late")) return;
      await a.delete("late");
      await a.add("late", a.sandbox("late"));
    },
    undo: () => a.delete("late"),
    isNewEachTime: true,
  },
  "other endpoints of a Service": { make: () => pointServiceAt("other"), undo: () => pointServiceAt("web") },
  "other labels of a pod": {
    make: () => labelOther({ app: "other", version: "2" }, false),
    undo: () => labelOther({ app: "other" }, true),
  },
};

describe("an agent that is killed before any of its writes", () => {
  it.each(Object.keys(changes))(
    "during %s: the next one ends in the same maps, and connections go on",
    async (name) => {
      expect(await killAtEachWrite(changes[name]!)).toBeGreaterThan(1);
    },
  );
});

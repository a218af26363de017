/**
 * A writer that is killed: `counter-writer <state folder> <own name> <ack file>`. Adds one to a shared total and to its own share of
 * it, for ever, and notes each update that was acknowledged with one write(2).
 */
import { appendFileSync } from "node:fs";
import { StateError } from "../../src/lib/errors.js";
import { type KubeConfigMap, resourceTypes } from "../../src/model/kubernetes.js";
import { FolderStateSource } from "../../src/state/folder-state-source.js";

const [dir, self, ackFile] = process.argv.slice(2) as [string, string, string];
const counters = ["one", "two", "three"];
const { configMaps } = resourceTypes;

async function increment(source: FolderStateSource, name: string, expectedOwn: number): Promise<boolean> {
  const ref = { namespace: "test", name };
  const counter = await source.get(configMaps, ref);
  const data = counter?.data ?? {};
  if (Number(data[self] ?? 0) !== expectedOwn)
    throw new Error(`${self}: ${name} has ${data[self]}, not ${expectedOwn}`);
  const next = { ...data, total: String(Number(data.total ?? 0) + 1), [self]: String(expectedOwn + 1) };
  const object: KubeConfigMap = { apiVersion: "v1", kind: "ConfigMap", metadata: ref, ...counter, data: next };
  try {
    await (counter === undefined ? source.create(configMaps, object) : source.update(configMaps, object));
    return true;
  } catch (error) {
    if (error instanceof StateError && (error.code === "conflict" || error.code === "already-exists")) return false;
    throw error;
  }
}

// Should the test that started it die, it does not go on for ever.
setTimeout(() => process.exit(), 45_000).unref();

const source = await FolderStateSource.open(dir);
const own = new Map<string, number>();
for (let turn = 0; ; turn++) {
  const name = counters[turn % counters.length]!;
  const expected = own.get(name) ?? 0;
  if (!(await increment(source, name, expected))) continue;
  own.set(name, expected + 1);
  appendFileSync(ackFile, `${name} ${self} ${expected + 1}\n`);
}

/**
 * A node that allocates: `identity-writer <state folder> <ack file> <count>`. Asks for identities of label sets that all writers share,
 * in an order of its own, and notes each answer.
 */
import { appendFileSync } from "node:fs";
import { FolderStateSource } from "../../src/state/folder-state-source.js";
import { IdentityAllocator, identityNumber } from "../../src/state/identity-allocator.js";

const [dir, ackFile, countText] = process.argv.slice(2) as [string, string, string];
const source = await FolderStateSource.open(dir);
const allocator = new IdentityAllocator({ source, clusterId: 0 });
const count = Number(countText);
const start = process.pid % count;
for (let step = 0; step < count; step++) {
  const app = String((start + step) % count);
  const identity = await allocator.allocate([
    { source: "k8s", key: "io.kubernetes.pod.namespace", value: "test" },
    { source: "k8s", key: "app", value: app },
  ]);
  appendFileSync(ackFile, `${app} ${identityNumber(identity)}\n`);
}

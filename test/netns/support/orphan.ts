/**
 * Makes everything that a test can leave behind, tells its names as JSON, and waits to be killed.
 */

import { ownPrefix } from "../../support/own-names.js";
import { TestFolder } from "../../support/test-folder.js";
import { AgentCluster } from "../agent-node.js";
import { TestLab } from "./lab-fixture.js";

new TestFolder();
const cluster = await AgentCluster.create();
const node = await cluster.addNode("a");
await node.start();
const lab = await TestLab.start({ nodes: 1 });
process.stdout.write(`${JSON.stringify({ prefix: ownPrefix, lab: lab.name })}\n`);
setInterval(() => undefined, 60_000);

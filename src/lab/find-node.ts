import { existsSync } from "node:fs";
import { NotFoundError } from "../lib/errors.js";
import { didYouMean } from "../lib/nearest-name.js";
import type { OpenLab } from "./lab-access.js";
import { checkNodeName } from "./lab-name.js";
import { type NodePaths, nodePaths } from "./lab-paths.js";

/**
 * Where a node of the lab lies, of one too that is down: what it left can still be read.
 * @throws UsageError for what is no name, NotFoundError `node-unknown` with the names of those that run
 */
export function findNode({ paths, file }: OpenLab, name: string): NodePaths {
  const known = file.nodes.map((node) => node.name);
  checkNodeName(name);
  const found = nodePaths(paths, name);
  if (known.includes(name) || existsSync(found.root)) return found;
  throw new NotFoundError("node-unknown", `lab ${paths.lab} has no node "${name}"${didYouMean(name, known)}`, {
    hint: known.length === 0 ? "none runs yet" : `it has ${known.join(", ")}`,
  });
}

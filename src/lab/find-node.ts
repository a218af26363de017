import { NotFoundError } from "../lib/errors.js";
import { didYouMean } from "../lib/nearest-name.js";
import type { OpenLab } from "./lab-access.js";
import { type NodePaths, nodePaths } from "./lab-paths.js";

/** Where a node of the lab lies. @throws NotFoundError `node-unknown` with the names of those that exist */
export function findNode({ paths, file }: OpenLab, name: string): NodePaths {
  const known = file.nodes.map((node) => node.name);
  if (known.includes(name)) return nodePaths(paths, name);
  throw new NotFoundError("node-unknown", `lab ${paths.lab} has no node "${name}"${didYouMean(name, known)}`, {
    hint: `it has ${known.join(", ")}`,
  });
}

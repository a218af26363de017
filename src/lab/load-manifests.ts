import { readdirSync, readFileSync, statSync } from "node:fs";
import { extname, join } from "node:path";
import { errnoOf } from "../lib/errno.js";
import { UsageError } from "../lib/errors.js";
import type { IpFamily } from "../lib/ip.js";
import type { KubeService } from "../model/kubernetes.js";
import { formatManifestProblem, type ManifestFile } from "../state/manifests/manifest-problem.js";
import { parseManifests } from "../state/manifests/parse-manifests.js";
import type { StoredManifest } from "./manifest-store.js";
import { serviceCidrs } from "./service-addresses.js";
import { problemOfContainer } from "./workload-images.js";

export interface LoadManifestsOptions {
  /** Nodes that exist, or will, beside those of the manifests. */
  readonly knownNodes: readonly string[];
  /** Services of the lab that the manifests come into: their addresses are taken. */
  readonly knownServices?: readonly KubeService[];
  /** Address families of its pods; without them Services are not asked for theirs. */
  readonly families?: readonly IpFamily[];
  /** Whether policies of nodes are in force there. */
  readonly enableHostFirewall?: boolean;
  /** Told what of the manifests has no effect in a lab. */
  readonly onNote: (line: string) => void;
}

const EXTENSIONS = [".yaml", ".yml", ".json"];
const SHOWN = 50;

/**
 * Reads manifest files, and folders as kubectl does: their own files, in the order of names.
 * @throws UsageError `manifest-unreadable`; `manifest-empty`; `manifest-invalid` with every problem at once
 */
export function loadManifests(paths: readonly string[], options: LoadManifestsOptions): readonly StoredManifest[] {
  const files = paths.flatMap(readManifestFiles);
  const { knownNodes, knownServices = [], families, enableHostFirewall = false } = options;
  const ofLab = { knownNodes, knownServices, enableHostFirewall, ...(families === undefined ? {} : { families }) };
  const checks = { ...ofLab, serviceCidrs: Object.values(serviceCidrs), problemOfContainer };
  const { objects, problems, notes } = parseManifests(files, checks);
  for (const note of notes) options.onNote(`note: ${formatManifestProblem(note)}`);
  const lines = problems.map(formatManifestProblem);
  if (lines.length === 0 && objects.length === 0 && notes.length === 0 && paths.length > 0)
    throw new UsageError("manifest-empty", `there is no object in ${files.map((file) => file.path).join(", ")}`);
  if (lines.length === 0) return objects;
  const more = lines.length > SHOWN ? [`and ${lines.length - SHOWN} more`] : [];
  const count = lines.length === 1 ? "one problem" : `${lines.length} problems`;
  throw new UsageError(
    "manifest-invalid",
    [`the manifests have ${count}:`, ...lines.slice(0, SHOWN), ...more].join("\n  "),
    {
      details: { problems },
    },
  );
}

function readManifestFiles(path: string): readonly ManifestFile[] {
  try {
    if (path === "-") return [{ path: "stdin", text: readFileSync(0, "utf8") }];
    if (!statSync(path).isDirectory()) return [{ path, text: readFileSync(path, "utf8") }];
    const names = readdirSync(path).filter((name) => EXTENSIONS.includes(extname(name)));
    if (names.length === 0)
      throw new UsageError("manifest-unreadable", `the folder ${path} holds no manifest (${EXTENSIONS.join(", ")})`);
    return names.sort().map((name) => ({ path: join(path, name), text: readFileSync(join(path, name), "utf8") }));
  } catch (cause) {
    if (cause instanceof UsageError) throw cause;
    throw new UsageError(
      "manifest-unreadable",
      `could not read the manifest ${path}: ${errnoOf(cause) ?? String(cause)}`,
      { cause },
    );
  }
}

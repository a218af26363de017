import { type Document, isMap, isScalar, isSeq, LineCounter, type Node, parseAllDocuments, type YAMLMap } from "yaml";
import { nearestName } from "../../lib/nearest-name.js";
import { type KubeObject, objectKey, type ResourceType } from "../../model/kube-object.js";
import { resourceTypes } from "../../model/kubernetes.js";
import { type CheckContext, checkNode } from "./check-node.js";
import { type CrossCheckOptions, crossCheck } from "./cross-checks.js";
import { ignoredKinds, laterKinds, type ManifestKind, manifestKinds, writtenKinds } from "./kinds.js";
import type { ManifestObject, PlacedObject } from "./manifest-object.js";
import { type ManifestFile, type ManifestProblem, ProblemCollector } from "./manifest-problem.js";
import { notePolicies } from "./note-policies.js";

export interface ParsedManifests {
  /** Objects without a problem of their own; use them only when `problems` is empty. */
  readonly objects: readonly ManifestObject[];
  /** Everything that is wrong, in the order of files and places. */
  readonly problems: readonly ManifestProblem[];
  /** What was understood and has no effect in a lab. */
  readonly notes: readonly ManifestProblem[];
}

/** Reads Kubernetes manifests: YAML with several documents, JSON, and List kinds. Never throws for what is in the text. */
export function parseManifests(files: readonly ManifestFile[], options: CrossCheckOptions = {}): ParsedManifests {
  const collectors: ProblemCollector[] = [];
  const placed: PlacedObject[] = [];
  for (const file of files) {
    const lines = new LineCounter();
    const collector = new ProblemCollector(file.path, lines);
    collectors.push(collector);
    for (const document of readDocuments(file, lines, collector)) {
      placed.push(...readObjects(document, document.contents, collector));
    }
  }
  crossCheck(placed, options);
  notePolicies(placed, options);
  const inOrder = (a: ManifestProblem, b: ManifestProblem) => a.line - b.line || a.column - b.column;
  return {
    objects: placed.map(({ type, object }) => ({ type, object })),
    problems: collectors.flatMap((collector) => collector.problems.sort(inOrder)),
    notes: collectors.flatMap((collector) => collector.notes.sort(inOrder)),
  };
}

/** Documents that are whole YAML. Half-written ones are reported and left out: what is missing cannot be guessed. */
function readDocuments(file: ManifestFile, lines: LineCounter, collector: ProblemCollector): readonly Document[] {
  const parsed = parseAllDocuments(file.text, { lineCounter: lines, prettyErrors: false });
  const documents: readonly Document[] = Array.isArray(parsed) ? parsed : [];
  for (const { errors } of documents) {
    for (const error of errors) collector.reportAt(error.pos[0], `not YAML: ${error.message}`);
  }
  return documents.filter((document) => document.errors.length === 0);
}

function readObjects(document: Document, node: unknown, collector: ProblemCollector): readonly PlacedObject[] {
  if (node === null || node === undefined || (isScalar(node) && node.value === null)) return [];
  if (!isMap(node)) {
    collector.report(node as Node, "not a Kubernetes object: it must be a mapping with apiVersion and kind");
    return [];
  }
  const kind = textField(node, "kind");
  const apiVersion = textField(node, "apiVersion");
  if (kind === undefined || apiVersion === undefined) {
    const missing = [apiVersion === undefined ? "apiVersion" : "", kind === undefined ? "kind" : ""].filter(Boolean);
    collector.report(node, `not a Kubernetes object: missing field ${missing.join(" and ")}`);
    return [];
  }
  const items = node.get("items");
  if (kind.endsWith("List") && isSeq(items)) {
    return items.items.flatMap((item) => readObjects(document, item, collector));
  }
  const known = findKind(kind, apiVersion, node, collector);
  return known === undefined ? [] : readObject(known, document, node, collector);
}

/** The kind's schema; undefined after saying why there is none. */
function findKind(
  kind: string,
  apiVersion: string,
  node: YAMLMap,
  collector: ProblemCollector,
): ManifestKind | undefined {
  const place = node.get("kind", true);
  const found = manifestKinds.find(({ type }) => type.kind === kind);
  if (found !== undefined) {
    if (found.type.apiVersion === apiVersion) return found;
    collector.report(
      node.get("apiVersion", true),
      `apiVersion of ${kind} is ${found.type.apiVersion}, not "${apiVersion}"`,
    );
  } else if (ignoredKinds.has(kind)) {
    collector.note(place, `kind ${kind} has no effect in a lab`);
  } else if (laterKinds.has(kind)) {
    collector.report(place, `kind ${kind} is not supported by this version of the lab`);
  } else if (writtenKinds.has(kind)) {
    collector.report(place, `kind ${kind} is written by the agents and controllers, not by manifests`);
  } else {
    const names = manifestKinds.map(({ type }) => type.kind);
    const nearest = nearestName(kind, [...names, ...laterKinds, ...ignoredKinds]);
    const guess = nearest === undefined ? `: a lab knows ${names.join(", ")}` : `: did you mean ${nearest}?`;
    collector.report(place, `unknown kind "${kind}"${guess}`);
  }
  return undefined;
}

function readObject(
  { type, schema }: ManifestKind,
  document: Document,
  node: YAMLMap,
  collector: ProblemCollector,
): readonly PlacedObject[] {
  const subject = subjectOf(type, node);
  const context: CheckContext = { document, collector, subject };
  const problemsBefore = collector.problems.length;
  const raw = checkNode(schema, node, "", context) as KubeObject & Record<string, unknown>;
  if (collector.problems.length > problemsBefore) return [];
  const { status, ...rest } = raw;
  const namespace = type.namespaced ? { namespace: raw.metadata.namespace ?? "default" } : {};
  // Of a Service alone it is no account of what is: it says where the Service answers.
  const kept = type === resourceTypes.services && status !== undefined ? { status } : {};
  const object: KubeObject = { ...rest, ...kept, metadata: { ...raw.metadata, ...namespace } };
  return [{ type, object, node, collector, subject, raw }];
}

/** How messages name the object, before anything of it was checked. */
function subjectOf(type: ResourceType, node: YAMLMap): string {
  const metadata = node.get("metadata");
  const name = isMap(metadata) ? textField(metadata, "name") : undefined;
  if (name === undefined) return `${type.kind} without a name`;
  if (!type.namespaced) return `${type.kind} ${name}`;
  const namespace = (isMap(metadata) && textField(metadata, "namespace")) || "default";
  return `${type.kind} ${objectKey({ namespace, name })}`;
}

function textField(node: YAMLMap, name: string): string | undefined {
  const value: unknown = node.get(name);
  return typeof value === "string" && value !== "" ? value : undefined;
}

import { isCollection, isNode, type Node } from "yaml";
import type { KubeObject, ResourceType } from "../../model/kube-object.js";
import type { Placed, ProblemCollector } from "./manifest-problem.js";

/** An object of a manifest. Its namespace is filled in (`default`), status and fields without effect are gone. */
export interface ManifestObject {
  readonly type: ResourceType;
  readonly object: KubeObject;
}

/** An object with what the checks between objects need. */
export interface PlacedObject extends ManifestObject {
  readonly node: Node;
  readonly collector: ProblemCollector;
  /** `Pod shop/web`. */
  readonly subject: string;
  /** As in the manifest, fields included that are not stored. */
  readonly raw: Readonly<Record<string, unknown>>;
}

/** The place of a field, or of the nearest thing above it that is there. */
export function placeOf({ node }: PlacedObject, ...path: readonly (string | number)[]): Placed {
  for (let length = path.length; length > 0; length--) {
    const found: unknown = isCollection(node) ? node.getIn(path.slice(0, length), true) : undefined;
    if (isNode(found)) return found as Node;
  }
  return node;
}

import type { Node } from "yaml";
import type { KubeObject, ResourceType } from "../../model/kube-object.js";
import type { ProblemCollector } from "./manifest-problem.js";

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

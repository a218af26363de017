import type { Mount } from "./mounts.js";
import type { NodeRowBase, ReleasedRow } from "./rows.js";

/** A mounted BPF file system. */
export interface MountRow extends NodeRowBase, Mount {}

/** A compiled template of upstream's agent with the endpoints that use it. */
export interface TemplateRow extends ReleasedRow {
  /** Undefined for endpoints that use none. */
  readonly sha?: string | undefined;
  /** Why their template is not known. */
  readonly problem?: "missing" | "invalid" | undefined;
  /** Ids, as they stand in the file system. */
  readonly endpoints: readonly string[];
}

/** A line of the header that a template was compiled with. */
export interface TemplateLineRow extends NodeRowBase {
  readonly sha: string;
  /** From 1. */
  readonly line: number;
  readonly text: string;
}

export interface TemplateRequest {
  readonly sha: string;
}

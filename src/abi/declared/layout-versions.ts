import type { StructLayout } from "../layout.js";
import type { Release } from "../release.js";

/** A structure's layouts, oldest first: each counts from its release to the next one in the list; `absent` ends it. */
export type LayoutVersions = readonly (readonly [since: Release, layout: StructLayout | "absent"])[];

/** Structure → its layouts over the releases. */
export type DeclaredLayouts = Readonly<Record<string, LayoutVersions>>;

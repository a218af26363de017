import { AbiError } from "./codec.js";
import { declaredLayout } from "./declared-layouts.js";
import { ownLayouts } from "./generated/layouts.js";
import type { LayoutTable, StructLayout } from "./layout.js";
import { ownRelease, type Release, type Releases } from "./release.js";

/**
 * The layout of a structure in a release. Our own release comes from the BTF of our own objects.
 * @throws AbiError `abi-layout` when the release has no such structure
 */
export function layoutOf(struct: string, release: Release): StructLayout {
  const own: LayoutTable = ownLayouts;
  const layout = (release === ownRelease ? own[struct] : undefined) ?? declaredLayout(struct, release);
  if (layout === undefined) throw new AbiError("abi-layout", `release ${release} has no struct ${struct}`);
  return layout;
}

/**
 * The distinct layouts that a structure has in the candidates that have it at all.
 * @throws AbiError `abi-layout` when none has it, or when they have it in different sizes
 */
export function layoutsOf(struct: string, candidates: Releases): readonly StructLayout[] {
  const having = candidates.filter((release) => hasLayout(struct, release));
  const layouts = (having.length === 0 ? candidates : having).map((release) => layoutOf(struct, release));
  const distinct = [...new Set(layouts)];
  const sizes = new Set(distinct.map((layout) => layout.sizeBytes));
  if (sizes.size > 1) {
    throw new AbiError(
      "abi-layout",
      `struct ${struct} has ${[...sizes].join(" or ")} bytes in ${candidates.join(", ")}`,
    );
  }
  return distinct;
}

/** True when the release has the structure. */
export function hasLayout(struct: string, release: Release): boolean {
  return (release === ownRelease && Object.hasOwn(ownLayouts, struct)) || declaredLayout(struct, release) !== undefined;
}

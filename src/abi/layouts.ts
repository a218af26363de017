import { AbiError } from "./codec.js";
import { declaredLayout } from "./declared-layouts.js";
import { ownLayouts } from "./generated/layouts.js";
import type { LayoutTable, StructLayout } from "./layout.js";
import { ownRelease, type Release } from "./release.js";

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

/** True when the release has the structure. */
export function hasLayout(struct: string, release: Release): boolean {
  return (release === ownRelease && Object.hasOwn(ownLayouts, struct)) || declaredLayout(struct, release) !== undefined;
}

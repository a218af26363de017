/*
 * What the name of a type says beyond its size: BTF keeps no byte order, and `char` is an integer to it.
 */
interface NamedType {
  readonly kind?: string;
  readonly name: string;
  readonly alias?: string;
  readonly sizeBytes: number;
}

/** `__be16`, `__be32`, `__be64` of include/uapi/linux/types.h. */
export function isNetworkOrder({ alias }: NamedType): boolean {
  return alias !== undefined && /^__be(16|32|64)$/.test(alias);
}

/** `_Bool` */
export function isTruth({ name }: NamedType): boolean {
  return name === "_Bool";
}

/** Of an array's element: the array may hold a text. */
export function isText({ kind, name, alias, sizeBytes }: NamedType): boolean {
  return kind === "int" && name === "char" && alias === undefined && sizeBytes === 1;
}

/** Where a field lies in its structure. Integers are little-endian, the byte order of x86-64 and arm64, unless said. */
export interface FieldLayout {
  /** Byte that holds the field, or its lowest bit. */
  readonly offset: number;
  /** Whole bytes that the field touches. */
  readonly sizeBytes: number;
  /** Declared `__be16` or `__be32`. Upstream leaves some network-order fields undeclared: codecs decide. */
  readonly isBigEndian?: boolean;
  /** Of bit fields: lowest bit within the byte at `offset`, and how many bits. */
  readonly bit?: { readonly shift: number; readonly width: number };
}

export interface StructLayout {
  readonly sizeBytes: number;
  /** Members of nested structures have dotted names (`tunnel_endpoint.ip4`), those of anonymous ones none. */
  readonly fields: Readonly<Record<string, FieldLayout>>;
}

/** Structure name → layout, of one release. */
export type LayoutTable = Readonly<Record<string, StructLayout>>;

/**
 * Reads a layout in the short form of the declared tables: the size, then `name@offset:bytes`, `name@offset:bytes/be`
 * or `name@byte.bit#width`, separated by blanks.
 */
export function parseLayout(sizeBytes: number, text: string): StructLayout {
  const fields: Record<string, FieldLayout> = {};
  for (const word of text.split(/\s+/).filter((part) => part !== "")) {
    const match = /^([\w.]+)@(\d+)(?:\.(\d)#(\d+)|:(\d+)(\/be)?)$/.exec(word);
    if (match === null) throw new SyntaxError(`bad field "${word}" in a layout table`);
    const [, name, offset, shift, width, bytes, order] = match;
    fields[name!] =
      shift === undefined
        ? { offset: Number(offset), sizeBytes: Number(bytes), ...(order === undefined ? {} : { isBigEndian: true }) }
        : {
            offset: Number(offset),
            sizeBytes: Math.ceil((Number(shift) + Number(width)) / 8),
            bit: { shift: Number(shift), width: Number(width) },
          };
  }
  return { sizeBytes, fields };
}

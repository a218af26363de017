import { loadAddon } from "./addon.js";
import { refuseArgument, requireInstance, requireInteger, requireText } from "./arguments.js";
import { BpfMap } from "./bpf-map.js";
import { BpfProgram } from "./bpf-program.js";
import { Errno } from "./errno.js";
import { isFeatureDisabled } from "./feature-mask.js";
import { checkValue } from "./kernel-error.js";

interface BtfTypeBase {
  /** Empty for unnamed types. */
  readonly name: string;
  /** Outermost typedef, such as `__be32`. */
  readonly alias?: string;
  readonly sizeBytes: number;
}

export interface BtfMember {
  /** Empty for members of an unnamed struct or union. */
  readonly name: string;
  /** From the start of the struct. */
  readonly bitOffset: number;
  readonly bitSize: number;
  readonly type: BtfType | undefined;
}

/**
 * A C type, typedefs and qualifiers resolved. Pointers are not followed. A section of global variables is a structure of
 * them.
 */
export type BtfType =
  | (BtfTypeBase & { readonly kind: "int"; readonly isSigned: boolean })
  | (BtfTypeBase & { readonly kind: "enum"; readonly values: readonly (readonly [name: string, value: bigint])[] })
  | (BtfTypeBase & { readonly kind: "struct" | "union"; readonly members: readonly BtfMember[] })
  | (BtfTypeBase & { readonly kind: "array"; readonly length: number; readonly element: BtfType | undefined })
  | (BtfTypeBase & { readonly kind: "pointer" | "float" | "other" });

/** The types of a map's entries, as far as they are known. */
export interface EntryTypes {
  readonly key: BtfType | undefined;
  readonly value: BtfType | undefined;
}

/**
 * The names of an enum of the running kernel by value, such as `skb_drop_reason`: the numbers differ between releases, so
 * they cannot be a table of ours. Undefined without BTF or without such an enum. Parses the kernel's BTF (some 5 MB) for
 * the call and frees it: keep the answer, not the parser.
 */
export function kernelEnumNames(enumName: string): ReadonlyMap<number, string> | undefined {
  requireText(enumName, "enumName", 127);
  if (isFeatureDisabled("btf")) return undefined;
  const answer = loadAddon().kernelEnum(enumName);
  if (answer === undefined || answer === -Errno.ENOENT || answer === -Errno.ESRCH) return undefined;
  const pairs = checkValue(answer, () => ({ code: "btf-read", attempt: "read the kernel's BTF" }));
  return new Map(pairs.map(([name, value]) => [Number(value), name]));
}

/**
 * Structures, unions, enums and typedefs by name out of one BTF object, such as that of a map or a program (`btfId` of its
 * info). Names that it does not have are left out. Parsed for the call and freed.
 *
 * @throws KernelError `btf-read`: ENOENT when the kernel has no such BTF (any more)
 */
export function btfTypesByName(btfId: number, names: readonly string[]): ReadonlyMap<string, BtfType> {
  requireInteger(btfId, "btfId", 1);
  if (!Array.isArray(names)) refuseArgument("names", "an array of names", names);
  for (const name of names) requireText(name, "names", 255);
  const types = readBtf(btfId, () => loadAddon().btfTypesByName(btfId, names));
  return new Map(
    names.flatMap((name, index) => {
      const type = types[index] as BtfType | undefined;
      return type === undefined ? [] : [[name, type] as const];
    }),
  );
}

/** The name of a program as its source has it: the kernel keeps 15 characters of it, its BTF all. Undefined without BTF. */
export function programFunctionName(program: BpfProgram): string | undefined {
  requireInstance(program, BpfProgram, "program");
  const { btfId, functionTypeId } = program.info;
  if (btfId === 0 || functionTypeId === 0 || isFeatureDisabled("btf")) return undefined;
  return readBtf(btfId, () => loadAddon().btfTypes(btfId, [functionTypeId]))[0]?.name;
}

function readBtf<T extends object>(btfId: number, read: () => T | number): T {
  return checkValue(read(), () => ({ code: "btf-read", attempt: `read BTF ${btfId}`, details: { btfId } }));
}

/** Key and value types of a map, undefined when it was created without BTF (most of upstream's maps). */
export function mapBtf(map: BpfMap): EntryTypes | undefined {
  requireInstance(map, BpfMap, "map");
  const { btfId, btfKeyTypeId, btfValueTypeId } = map.info;
  if (btfId === 0 || isFeatureDisabled("btf")) return undefined;
  const types = readBtf(btfId, () => loadAddon().btfTypes(btfId, [btfKeyTypeId, btfValueTypeId]));
  return { key: types[0] as BtfType | undefined, value: types[1] as BtfType | undefined };
}

import { readFileSync } from "node:fs";
import { basename } from "node:path";
import { KernelError } from "../lib/errors.js";
import { loadAddon } from "./addon.js";
import { requireInstance, requireInteger, requireOneOf, requireOptions, requireText, viewBytes } from "./arguments.js";
import { BpfMap } from "./bpf-map.js";
import { BpfProgram } from "./bpf-program.js";
import type { BtfType, EntryTypes } from "./btf.js";
import { findElfFault } from "./elf-check.js";
import { Errno } from "./errno.js";
import { hintForFailure } from "./failure-hint.js";
import { isFeatureDisabled, isMapTypeDisabled } from "./feature-mask.js";
import { describeMissingFeatures } from "./features.js";
import { checkStatus, checkValue, kernelError } from "./kernel-error.js";
import { type MapType, mapTypeName } from "./map-type.js";
import type { NativeObject } from "./native-addon.js";
import { type ProgramType, programTypeName } from "./program-type.js";
import { parseLoadLog } from "./verifier-log.js";

/** A map as the object file declares it. */
export interface DeclaredMap {
  readonly name: string;
  readonly type: MapType;
  readonly keySizeBytes: number;
  readonly valueSizeBytes: number;
  readonly maxEntries: number;
  readonly flags: number;
  /** `.rodata`, `.data`, `.bss`: made by libbpf, not by a declaration. */
  readonly isInternal: boolean;
}

export interface DeclaredProgram {
  readonly name: string;
  /** ELF section: `tc`, `tcx/ingress`, `cgroup/connect4` … */
  readonly section: string;
  readonly type: ProgramType;
}

/**
 * A compiled BPF object file: open (nothing is loaded yet), adjust, load, take maps and programs. What `map()` and
 * `program()` return are handles of their own and outlive the object.
 *
 * Throws KernelError: `object-open`, `object-configure`, `object-load`, `object-not-found`, `handle-closed`,
 * `invalid-argument`.
 */
export class BpfObject implements Disposable {
  readonly name: string;
  readonly maps: readonly DeclaredMap[];
  readonly programs: readonly DeclaredProgram[];
  readonly #native: NativeObject;
  /** Declared maps that load() does not create, and whether those in their place are our own. */
  readonly #reused = new Map<string, { readonly isOwn: boolean }>();
  readonly #skipped = new Set<string>();
  #state: "open" | "loaded" | "closed" = "open";

  private constructor(native: NativeObject, name: string) {
    this.#native = native;
    this.name = name;
    this.maps = native.maps().map((map) => ({ ...map, type: mapTypeName(map.type) }));
    this.programs = native.programs().map((program) => ({ ...program, type: programTypeName(program.type) }));
  }

  /** @param source a path, or the bytes of an object file */
  static open(source: string | Uint8Array, options: { readonly name?: string } = {}): BpfObject {
    requireOptions(options);
    const { name = typeof source === "string" ? basename(source).replace(/\..*$/, "") : "object" } = options;
    requireText(name, "name", 63);
    const bytes = typeof source === "string" ? readObjectFile(source) : viewBytes(source, "source");
    const what = typeof source === "string" ? source : `object ${name} (${bytes.length} bytes)`;
    const fault = findElfFault(bytes);
    if (fault !== undefined) {
      throw new KernelError("object-open", `${what} is not a whole BPF object file: ${fault}`, {
        hint: "The file is truncated or was built by something else than clang -target bpf.",
        details: { operation: "object-open", fault },
      });
    }
    const native = new (loadAddon().BpfObject)();
    checkStatus(native.open(bytes, name), () => {
      const { reason } = parseLoadLog(native.log());
      return {
        code: "object-open",
        attempt: `read ${what} as a BPF object`,
        details: { log: native.log().trim() },
        hint: reason === undefined ? undefined : `libbpf says: ${reason}`,
      };
    });
    return new BpfObject(native, name);
  }

  /** Key and value types of a declared map. What its declaration gives no type, or BTF is switched off, is undefined. */
  mapTypes(name: string): EntryTypes {
    const native = this.#use("read the types of a map");
    this.#declaredMap(name);
    if (isFeatureDisabled("btf")) return { key: undefined, value: undefined };
    const types = checkValue(native.mapTypes(name), () => ({
      code: "object-configure",
      attempt: `read the types of map ${name} of ${this.name}`,
    }));
    return { key: types[0] as BtfType | undefined, value: types[1] as BtfType | undefined };
  }

  /** The initial bytes of `.rodata`, a copy; undefined when the object has none. */
  get rodata(): Buffer | undefined {
    return this.#use("read .rodata").rodata();
  }

  /** Replaces `.rodata`; the verifier treats the values as constants and drops the branches they rule out. */
  setRodata(bytes: Uint8Array): void {
    const native = this.#useBeforeLoad("set .rodata");
    const view = viewBytes(bytes, "bytes");
    checkStatus(native.setRodata(view), () => ({
      code: "object-configure",
      attempt: `set .rodata of ${this.name} to ${view.length} bytes (it has ${this.rodata?.length ?? 0})`,
    }));
  }

  setMapMaxEntries(name: string, maxEntries: number): void {
    const native = this.#useBeforeLoad("set max_entries");
    this.#declaredMap(name);
    requireInteger(maxEntries, "maxEntries", 1);
    checkStatus(native.setMapMaxEntries(name, maxEntries), () => ({
      code: "object-configure",
      attempt: `set max_entries of ${name} to ${maxEntries}`,
    }));
  }

  /** The template of a map of maps that the object declares without one. */
  setInnerMap(name: string, inner: BpfMap): void {
    const native = this.#useBeforeLoad("set the inner map");
    this.#declaredMap(name);
    requireInstance(inner, BpfMap, "inner");
    checkStatus(native.setInnerMap(name, inner.fd), () => ({
      code: "object-configure",
      attempt: `use ${inner.info.name} as inner map of ${name}`,
    }));
  }

  /**
   * Uses an existing map in place of a declared one; type and sizes must agree, entries and flags are the map's own.
   * `sizes: "any"` is for programs that only take the map's address.
   */
  reuseMap(name: string, map: BpfMap, options: { readonly sizes?: "declared" | "any" } = {}): void {
    const native = this.#useBeforeLoad("reuse a map");
    requireInstance(map, BpfMap, "map");
    requireOptions(options);
    const { sizes = "declared" } = options;
    requireOneOf(sizes, ["declared", "any"], "options.sizes");
    const declared = this.#declaredMap(name);
    for (const field of ["type", "keySizeBytes", "valueSizeBytes"] as const) {
      if (sizes === "any" || declared[field] === map.info[field]) continue;
      throw new KernelError(
        "object-configure",
        `cannot use map ${map.info.name} (id ${map.info.id}) as ${name} of ${this.name}: ${field} is ${map.info[field]}, the program needs ${declared[field]}`,
        { details: { operation: "object-configure", field, found: map.info[field], needed: declared[field] } },
      );
    }
    checkStatus(native.reuseMap(name, map.fd), () => ({
      code: "object-configure",
      attempt: `use map ${map.info.name} (id ${map.info.id}) as ${name}`,
    }));
    this.#reused.set(name, { isOwn: map.isOwn });
  }

  /** Leaves a program out of load(), for example one that this kernel cannot run. */
  skipProgram(name: string): void {
    const native = this.#useBeforeLoad("skip a program");
    this.#declaredProgram(name);
    checkStatus(native.setAutoload(name, false), () => ({ code: "object-configure", attempt: `skip program ${name}` }));
    this.#skipped.add(name);
  }

  /**
   * Creates the maps, relocates and loads the programs. All or nothing.
   *
   * @throws KernelError `object-load`; `details.verifierLog` is the part of the verifier's log that tells why,
   * `details.program` the refused program
   */
  load(): void {
    const native = this.#useBeforeLoad("load");
    const isMasked = this.maps.some((map) => !this.#reused.has(map.name) && isMapTypeDisabled(map.type));
    const status = isMasked ? -Errno.EINVAL : native.load();
    if (status >= 0) {
      this.#state = "loaded";
      return;
    }
    const { program, verifierLog, reason } = parseLoadLog(native.log());
    const errno = -status;
    // Our own rights come first: without them every probe fails too and would send the reader the wrong way.
    const said = reason === undefined ? undefined : `The kernel or libbpf says: ${reason}`;
    const sections = this.programs.filter(({ name }) => !this.#skipped.has(name)).map(({ section }) => section);
    const hint = hintForFailure({ code: "object-load", errno }) ?? describeMissingFeatures(sections) ?? said;
    this.close(); // libbpf cannot load an object twice
    throw kernelError({
      code: "object-load",
      attempt: `load ${program === undefined ? this.name : `program ${program} of ${this.name}`}`,
      errno,
      hint,
      details: {
        object: this.name,
        ...(program === undefined ? {} : { program }),
        ...(verifierLog === undefined ? {} : { verifierLog }),
        ...(reason === undefined ? {} : { reason }),
      },
    });
  }

  /** A handle of its own on a loaded map. */
  map(name: string): BpfMap {
    this.#declaredMap(name);
    const native = this.#useLoaded("take a map");
    return BpfMap.adopt(
      checkStatus(native.mapFd(name), () => ({ code: "map-open", attempt: `take map ${name} of ${this.name}` })),
      this.#reused.get(name) ?? { isOwn: true },
    );
  }

  /** A handle of its own on a loaded program. */
  program(name: string): BpfProgram {
    this.#declaredProgram(name);
    const native = this.#useLoaded("take a program");
    return BpfProgram.adopt(
      checkStatus(native.programFd(name), () => ({
        code: "program-open",
        attempt: `take program ${name} of ${this.name}`,
        hint: "A program that was skipped is not loaded.",
      })),
    );
  }

  close(): void {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #declaredMap(name: string): DeclaredMap {
    requireText(name, "name");
    return this.maps.find((map) => map.name === name) ?? this.#notFound("map", name, this.maps);
  }

  #declaredProgram(name: string): DeclaredProgram {
    requireText(name, "name");
    return this.programs.find((program) => program.name === name) ?? this.#notFound("program", name, this.programs);
  }

  #notFound(kind: string, name: string, present: readonly { readonly name: string }[]): never {
    throw new KernelError("object-not-found", `object ${this.name} has no ${kind} ${name}`, {
      hint: `It has: ${present.map((entry) => entry.name).join(", ")}.`,
      details: { operation: "object-not-found", kind, name, errno: "ENOENT", errnoNumber: Errno.ENOENT },
    });
  }

  #use(operation: string): NativeObject {
    if (this.#state !== "closed") return this.#native;
    throw new KernelError("handle-closed", `cannot ${operation}: object ${this.name} is closed`, {
      details: { operation },
    });
  }

  #useBeforeLoad(operation: string): NativeObject {
    const native = this.#use(operation);
    if (this.#state === "open") return native;
    throw new KernelError("object-configure", `cannot ${operation}: object ${this.name} is loaded already`, {
      details: { operation },
    });
  }

  #useLoaded(operation: string): NativeObject {
    const native = this.#use(operation);
    if (this.#state === "loaded") return native;
    throw new KernelError("object-configure", `cannot ${operation}: object ${this.name} is not loaded yet`, {
      details: { operation },
    });
  }
}

function readObjectFile(path: string): Buffer {
  requireText(path, "source");
  try {
    return readFileSync(path);
  } catch (cause) {
    const errno = -((cause as NodeJS.ErrnoException).errno ?? -Errno.ENOENT);
    throw kernelError({
      code: "object-open",
      attempt: `read the BPF object ${path}`,
      errno,
      hint: "Build the objects with: npm run build",
      details: { file: path },
    });
  }
}

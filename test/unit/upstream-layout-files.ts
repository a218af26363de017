import { readdirSync, readFileSync } from "node:fs";
import { type Release, releases } from "../../src/abi/release.js";
import { isReleaseSince } from "../../src/model/upstream-release.js";

const folder = "test/fixtures/upstream-layouts";

export interface MeasuredField {
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
  readonly bit?: { readonly shift: number; readonly width: number };
}

export interface MeasuredStruct {
  readonly sizeBytes: number;
  readonly fields: readonly MeasuredField[];
}

/** `v1.18` → `1.18`, `main` → `1.20`; undefined for releases that cannot be read. */
function releaseOf(text: string): Release | undefined {
  const name = text === "main" ? "1.20" : text.slice(1);
  return releases.find((release) => release === name);
}

const structLine = /^(\w+) (\S+)\.\.(\S+): (?:\[(\d+)\] (.*)|None)$/;

/** Structure → release → layout, for the releases whose headers have the structure. */
export function measuredStructs(): ReadonlyMap<string, ReadonlyMap<Release, MeasuredStruct>> {
  const found = new Map<string, Map<Release, MeasuredStruct>>();
  for (const line of readFileSync(`${folder}/structs.txt`, "utf8").trim().split("\n")) {
    const match = structLine.exec(line);
    if (match === null) throw new Error(`no structure: ${line}`);
    const [, struct, from, to, sizeBytes, fields] = match;
    const layouts = found.get(struct!) ?? new Map<Release, MeasuredStruct>();
    found.set(struct!, layouts);
    if (fields === undefined) continue;
    const until = releaseOf(to!);
    const since = releaseOf(from!) ?? releases[0];
    for (const release of releases) {
      if (until === undefined || !isReleaseSince(release, since) || !isReleaseSince(until, release)) continue;
      layouts.set(release, { sizeBytes: Number(sizeBytes), fields: parseFields(fields) });
    }
  }
  return found;
}

/** Fields of nested structures and unions stand in the list under their own names. */
function parseFields(text: string): readonly MeasuredField[] {
  return [...text.matchAll(/(\d+)(?:\.(\d))?:(b?)(\d+)(?:\/be)? (\w+)/g)].map(([, offset, shift, bits, size, name]) =>
    bits === "b"
      ? {
          name: name!,
          offset: Number(offset),
          sizeBytes: Math.ceil((Number(shift) + Number(size)) / 8),
          bit: { shift: Number(shift), width: Number(size) },
        }
      : { name: name!, offset: Number(offset), sizeBytes: Number(size) },
  );
}

export interface MeasuredMap {
  readonly name: string;
  readonly type: string;
  readonly keySizeBytes: number;
  /** Undefined where the build did not say. */
  readonly valueSizeBytes: number | undefined;
  readonly flags: number;
}

const mapLine = /^(\w+) ([A-Z_]+) k(?:ey=\w+\/|s=)(\d+) v(?:al=\w+\/|s=)(\d+|None) max \S+ flags (0x[0-9a-f]+) /;

/** The maps of each release's programs, under the names that its sources give them. */
export function measuredMaps(): ReadonlyMap<Release, readonly MeasuredMap[]> {
  const files = readdirSync(folder).filter((file) => file.startsWith("maps."));
  return new Map(
    files.map((file) => {
      const lines = readFileSync(`${folder}/${file}`, "utf8").trim().split("\n");
      const maps = lines.flatMap((line) => {
        const match = mapLine.exec(line);
        if (match === null) return [];
        const [, name, type, key, value, flags] = match;
        return [
          {
            name: name!,
            type: type!.toLowerCase(),
            keySizeBytes: Number(key),
            valueSizeBytes: value === "None" ? undefined : Number(value),
            flags: Number(flags),
          },
        ];
      });
      return [releaseOf(file.replace(/^maps\.|\.txt$/g, ""))!, maps] as const;
    }),
  );
}

/**
 * Writes the JSON Schemas of the small maps' lists into `docs/schema/` from their declarations. `--check` writes nothing
 * and fails when a file differs from what would be written.
 *
 *     tsx scripts/generate-schemas.ts [--check]
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { JsonObject } from "../src/lib/json-value.js";
import type { RowField, SmallMap, SmallMapRow } from "../src/model/small-maps/small-map.js";
import { smallMaps } from "../src/model/small-maps/small-maps.js";

const folder = join(import.meta.dirname, "../docs/schema");

/** JSON Schema of each type of field, without its description. */
const types: Readonly<Record<RowField<SmallMapRow>["type"], JsonObject>> = {
  address: { $ref: "list.json#/$defs/address" },
  prefix: { $ref: "list.json#/$defs/prefix" },
  port: { $ref: "list.json#/$defs/port" },
  counter: { $ref: "list.json#/$defs/counter" },
  name: { $ref: "list.json#/$defs/addressName" },
  integer: { type: "integer" },
  text: { type: "string" },
  protocol: { type: "string" },
  flag: { type: "boolean" },
};

function schemaOf({ kind, fields, summary }: SmallMap<SmallMapRow>): JsonObject {
  const properties = Object.entries(fields).map(([name, { type, doc }]) => [
    name,
    { ...types[type], description: doc },
  ]);
  const required = Object.entries(fields).flatMap(([name, { type, isOptional }]) =>
    type === "name" || isOptional === true ? [] : [name],
  );
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    $id: `https://cilium-ts.io/schema/${fileOf(kind)}`,
    title: `${kind}: ${summary}`,
    type: "object",
    additionalProperties: false,
    required: ["apiVersion", "kind", "items", "status"],
    properties: {
      apiVersion: { const: "cilium-ts.io/v1" },
      kind: { const: kind },
      items: { type: "array", items: { $ref: "#/$defs/item" } },
      status: { $ref: "list.json#/$defs/status" },
    },
    $defs: {
      item: {
        type: "object",
        additionalProperties: false,
        required,
        properties: {
          node: { type: "string", description: "node that the row was read on" },
          ...Object.fromEntries(properties),
        },
      },
    },
  };
}

/** `NatEntryList` → `nat-entry-list.json` */
function fileOf(kind: string): string {
  return `${kind.replace(/(?<!^)(?=[A-Z])/g, "-").toLowerCase()}.json`;
}

const files = smallMaps.map((map) => ({ name: fileOf(map.kind), text: `${JSON.stringify(schemaOf(map), null, 2)}\n` }));
const stale = files.filter(({ name, text }) => {
  const path = join(folder, name);
  return !existsSync(path) || readFileSync(path, "utf8") !== text;
});
if (!process.argv.includes("--check")) {
  for (const { name, text } of stale) writeFileSync(join(folder, name), text);
  console.log(`docs/schema: ${stale.length} of ${files.length} written`);
} else if (stale.length > 0) {
  console.error(`stale: ${stale.map(({ name }) => `docs/schema/${name}`).join(", ")}`);
  console.error("Next: npx tsx scripts/generate-schemas.ts");
  process.exitCode = 1;
}

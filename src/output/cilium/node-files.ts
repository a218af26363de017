import { NotFoundError } from "../../lib/errors.js";
import type { MountRow, TemplateLineRow, TemplateRow } from "../../model/node-files.js";
import { isReleaseSince } from "../../model/upstream-release.js";
import { collectingPrinter } from "../batch-printer.js";
import { compareBytes, goJson } from "../go-json.js";
import type { CiliumFormat } from "../list-format.js";
import { alignTabs } from "../tabwriter.js";
import { dumpTextPrinter, listsJson } from "./map-dump.js";

/** `cilium-dbg bpf fs show`: the first BPF file system of each node. */
export const ciliumMounts: CiliumFormat<MountRow> = {
  text: () =>
    collectingPrinter((rows) =>
      firstOfNodes(rows)
        .map((row) => alignTabs(mountLines(row), { minWidth: 2, padding: 3 }))
        .join(""),
    ),
  json: () =>
    collectingPrinter((rows) =>
      firstOfNodes(rows)
        .map((row) => `${goJson(mountItem(row))}\n\n`)
        .join(""),
    ),
};

function firstOfNodes(rows: readonly MountRow[]): readonly MountRow[] {
  return rows.filter((row, index) => rows.findIndex(({ node }) => node === row.node) === index);
}

function mountLines(row: MountRow): readonly string[] {
  return [
    `MountID:\t${row.mountId}`,
    `ParentID:\t${row.parentId}`,
    "Mounted State:\ttrue",
    `MountPoint:\t${row.mountPoint}`,
    `MountOptions:\t${row.mountOptions}`,
    `OptionFields:\t[${row.optionalFields.join(" ")}]`,
    `FilesystemType:\t${row.filesystem}`,
    `MountSource:\t${row.source}`,
    `SuperOptions:\t${row.superOptions}`,
  ];
}

function mountItem(row: MountRow) {
  return {
    MountID: row.mountId,
    ParentID: row.parentId,
    StDev: row.device,
    Root: row.root,
    MountPoint: row.mountPoint,
    MountOptions: row.mountOptions,
    // A list that nothing was added to is none in Go.
    OptionalFields: row.optionalFields.length === 0 ? null : row.optionalFields,
    FilesystemType: row.filesystem,
    MountSource: row.source,
    SuperOptions: row.superOptions,
  };
}

interface TemplateUse {
  readonly template: string;
  readonly endpoint: string;
}

/** `cilium-dbg bpf sha list`: a line an endpoint; a template that none uses has a dash in the text, and none in the JSON. */
export const ciliumTemplates: CiliumFormat<TemplateRow> = {
  text: () => {
    const printer = dumpTextPrinter<TemplateUse>({
      keyTitle: "Datapath SHA",
      valueTitle: "Endpoint(s)",
      isEmptySilent: true,
      key: ({ template }) => template,
      value: ({ endpoint }) => endpoint,
    });
    return { ...printer, batch: (rows, out) => printer.batch([...rows].flatMap(usesOf), out) };
  },
  json: () =>
    collectingPrinter((rows) =>
      listsJson(
        rows
          .map((row) => [templateText(row), row.endpoints] as const)
          .sort(([left], [right]) => compareBytes(left, right)),
      ),
    ),
  whenEmpty: "No entries found.",
};

function usesOf(row: TemplateRow): readonly TemplateUse[] {
  const template = templateText(row);
  return (row.endpoints.length === 0 ? ["-"] : row.endpoints).map((endpoint) => ({ template, endpoint }));
}

function templateText({ sha, problem, release }: TemplateRow): string {
  if (sha !== undefined) return sha;
  if (!isReleaseSince(release, "1.16")) return problem === "missing" ? "<No template used>" : "<Template path invalid>";
  return problem === "missing" ? "<missing template.txt>" : "<template path invalid>";
}

/** What upstream's tool looks for in a header: padding must end the text, so two of three headers have none for it. */
const embedded = /\/\/ JSON_OUTPUT: ((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=))/;

/** `cilium-dbg bpf sha get`: the header as it is; in JSON what is embedded in it, which Go prints in base64 again. */
export const ciliumTemplateHeader: CiliumFormat<TemplateLineRow> = {
  text: () => collectingPrinter((rows) => rows.map(({ text }) => `${text}\n`).join("")),
  json: () =>
    collectingPrinter((rows) => {
      const found = rows.map(({ text }) => embedded.exec(text)?.[1]).find((text) => text !== undefined);
      if (found === undefined) throw new NotFoundError("json-missing", "there is no JSON in the template's header");
      return `${goJson(found)}\n\n`;
    }),
};

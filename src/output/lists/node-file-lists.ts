import type { MountRow, TemplateLineRow, TemplateRow } from "../../model/node-files.js";
import { ciliumMounts, ciliumTemplateHeader, ciliumTemplates } from "../cilium/node-files.js";
import { definedFields, type ListFormat } from "../list-format.js";
import { nodeColumn, orDash } from "./cells.js";

/** `bpf fs show` */
export const mountList: ListFormat<MountRow> = {
  kind: "MountList",
  columns: [
    nodeColumn,
    { header: "MOUNTPOINT", value: (row) => row.mountPoint },
    { header: "TYPE", value: (row) => row.filesystem },
    { header: "SOURCE", value: (row) => row.source },
    { header: "OPTIONS", value: (row) => row.mountOptions },
    { header: "SUPER-OPTIONS", value: (row) => row.superOptions },
    { header: "ID", isWide: true, value: (row) => String(row.mountId), sortKey: (row) => row.mountId },
    { header: "PARENT", isWide: true, value: (row) => String(row.parentId), sortKey: (row) => row.parentId },
    { header: "DEVICE", isWide: true, value: (row) => row.device },
    { header: "ROOT", isWide: true, value: (row) => row.root },
    { header: "OPTIONAL", isWide: true, value: (row) => orDash(row.optionalFields.join(",")) },
  ],
  item: ({ node, ...mount }) => definedFields({ node, ...mount }),
  name: (row) => `mount/${row.mountPoint}`,
  cilium: ciliumMounts,
};

/** `bpf sha list` */
export const templateList: ListFormat<TemplateRow> = {
  kind: "TemplateList",
  columns: [
    nodeColumn,
    { header: "SHA", value: (row) => row.sha ?? `<${row.problem}>` },
    { header: "ENDPOINTS", value: (row) => orDash(row.endpoints.join(",")) },
  ],
  item: (row) =>
    definedFields({
      node: row.node,
      sha: row.sha,
      problem: row.problem,
      endpoints: row.endpoints.map(Number),
    }),
  name: (row) => `template/${row.sha ?? row.problem}`,
  cilium: ciliumTemplates,
};

/** `bpf sha get` */
export const templateHeaderList: ListFormat<TemplateLineRow> = {
  kind: "TemplateHeaderList",
  columns: [
    nodeColumn,
    { header: "LINE", align: "right", value: (row) => String(row.line), sortKey: (row) => row.line },
    { header: "TEXT", value: (row) => row.text },
  ],
  item: (row) => definedFields({ node: row.node, sha: row.sha, line: row.line, text: row.text }),
  name: (row) => `templateline/${row.sha}/${row.line}`,
  cilium: ciliumTemplateHeader,
};

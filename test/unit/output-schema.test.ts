import { readdirSync, readFileSync } from "node:fs";
import { Ajv2020 } from "ajv/dist/2020.js";
import { describe, expect, it } from "vitest";
import type { StatusReport } from "../../src/model/status-report.js";
import { parseOutput } from "../../src/output/output-format.js";
import { printList } from "../../src/output/printer.js";
import { statusItem } from "../../src/output/status-report.js";
import { inBatches, joinText } from "./abi-capture-files.js";
import type { Sample } from "./list-sample.js";
import { samples } from "./list-samples.js";

const folder = "docs/schema";
const ajv = new Ajv2020({ allErrors: true, strict: true });
for (const file of readdirSync(folder)) ajv.addSchema(JSON.parse(readFileSync(`${folder}/${file}`, "utf8")));

const status = {
  state: "partial",
  reason: "b: no answer",
  rowsRead: 3,
  restarts: 0,
  nodes: [{ name: "b", state: "missing", reason: "no answer", rowsRead: 0, restarts: 0 }],
  notes: ["release not decided"],
} as const;

async function printJson({ list, rows }: Sample): Promise<unknown> {
  return JSON.parse(await joinText(printList(list, inBatches(rows), () => status, { output: parseOutput("json") })));
}

function fileOf(kind: string): string {
  return `${kind.replace(/(?<!^)(?=[A-Z])/g, "-").toLowerCase()}.json`;
}

describe("JSON Schemas of the lists", () => {
  it.each(samples.map((each): [string, Sample] => [each.list.kind, each]))(
    "%s is as its schema says",
    async (kind, each) => {
      const validate = ajv.getSchema(`https://cilium-ts.io/schema/${fileOf(kind)}`);
      if (validate === undefined) throw new Error(`no schema ${fileOf(kind)}`);
      const printed = await printJson(each);
      expect(validate(printed), JSON.stringify(validate.errors?.slice(0, 3))).toBe(true);
    },
  );

  it.each(samples.map((each): [string, Sample] => [each.list.kind, each]))(
    "%s: every field of the schema is printed",
    async (kind, each) => {
      const schema = JSON.parse(readFileSync(`${folder}/${fileOf(kind)}`, "utf8"));
      const printed = (await printJson(each)) as { readonly items: readonly object[] };
      const seen = new Set(printed.items.flatMap(Object.keys));
      expect(Object.keys(schema.$defs.item.properties).filter((field) => !seen.has(field))).toEqual([]);
    },
  );

  it("the status report is as its schema says", () => {
    const agent = {
      state: "ok",
      problems: [],
      version: "0.1.0",
      uptimeSeconds: 4,
      starts: 1,
      addressesUsed: 3,
    } as const;
    const datapath = {
      kernelRelease: "6.18.0",
      endpoints: 3,
      frontends: 1,
      backends: 2,
      tunnels: 1,
      connections: 9,
      connectionCapacity: 786_432,
      translations: 4,
      translationCapacity: 1_048_576,
      translationsRefused: 2n,
      forwardedPackets: 1n << 60n,
      droppedPackets: 0n,
      programs: { tcx: 6, cgroup: 4 },
      areCountsEstimated: false,
      pressedMaps: ["conntrack 81 %"],
      fullMaps: ["endpoints 98 %"],
    };
    const report: StatusReport = {
      target: "lab demo",
      state: "degraded",
      identities: 4,
      pods: 6,
      drops: [{ reason: "Policy denied", packets: 3n }],
      problems: ["node b: no answer"],
      nodes: [
        {
          name: "a",
          address: "172.18.0.2",
          podCidrs: ["10.244.0.0/24", "fd00:10:244::/64"],
          agent: { ...agent, addressesCapacity: 252, routing: "vxlan", hostRouting: "BPF", xdpAcceleration: "native" },
          datapath,
        },
        { name: "b", podCidrs: [], agent: { state: "down", problems: ["no answer"] } },
      ],
    };
    const printed: unknown = JSON.parse(JSON.stringify(statusItem(report)));
    const validate = ajv.getSchema("https://cilium-ts.io/schema/status-report.json")!;
    expect(validate(printed), JSON.stringify(validate.errors)).toBe(true);
  });

  it("every list has a schema and every schema a list", () => {
    const files = readdirSync(folder).filter((file) => file !== "list.json" && file.endsWith("-list.json"));
    expect(files.sort()).toEqual(samples.map(({ list }) => fileOf(list.kind)).sort());
  });

  it("an item with an unknown field is refused", async () => {
    const printed = (await printJson(samples[0]!)) as { items: Record<string, unknown>[] };
    printed.items[0]!.surprise = 1;
    expect(ajv.validate("https://cilium-ts.io/schema/conntrack-entry-list.json", printed)).toBe(false);
  });
});

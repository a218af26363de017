import { describe, expect, it } from "vitest";
import { parse } from "yaml";
import { UsageError } from "../../src/lib/errors.js";
import type { JsonObject } from "../../src/lib/json-value.js";
import type { ListStatus } from "../../src/model/list-status.js";
import type { CtRow } from "../../src/model/rows.js";
import type { ListFormat } from "../../src/output/list-format.js";
import { conntrackList, withAge } from "../../src/output/lists/conntrack-list.js";
import { outputNames, parseOutput } from "../../src/output/output-format.js";
import { carriesStatus, checkPrintRequest, type PrintRequest, printList } from "../../src/output/printer.js";
import { statusLines } from "../../src/output/status-lines.js";
import { TextBuffer } from "../../src/output/text-buffer.js";
import { clockAt } from "../support/small-map-samples.js";
import { inBatches, joinText } from "./abi-capture-files.js";
import { ctRows, unknownCtRows } from "./output-cilium-rows.js";

interface Row {
  readonly name: string;
  readonly count: number;
  readonly address: string;
}

const list: ListFormat<Row> = {
  kind: "ThingList",
  columns: [
    { header: "NAME", value: (row) => row.name },
    { header: "COUNT", align: "right", value: (row) => String(row.count), sortKey: (row) => row.count },
    { header: "ADDRESS", isWide: true, value: (row) => row.address },
  ],
  item: (row): JsonObject => ({ ...row }),
  name: (row) => `thing/${row.name}`,
};

const rows: readonly Row[] = [
  { name: "b", count: 9, address: "10.0.0.10" },
  { name: "a", count: 100, address: "10.0.0.9" },
  { name: "a long one", count: 20, address: "10.0.0.1" },
];

const status: ListStatus = {
  state: "partial",
  reason: "rn2: no answer",
  rowsRead: 3,
  restarts: 1,
  nodes: [
    { name: "rn1", state: "complete", rowsRead: 3, restarts: 1 },
    { name: "rn2", state: "missing", reason: "no answer", rowsRead: 0, restarts: 0 },
  ],
};

async function print(output: string, more: Partial<PrintRequest> = {}, batch = 16): Promise<string> {
  return joinText(printList(list, inBatches(rows, batch), () => status, { output: parseOutput(output), ...more }));
}

describe("tables", () => {
  it("align columns, leave no blank at line ends and hide wide columns", async () => {
    expect(await print("table")).toBe(
      "NAME         COUNT\nb                9\na              100\na long one      20\n",
    );
  });

  it("show every column with wide", async () => {
    expect((await print("wide")).split("\n")[1]).toBe("b                9   10.0.0.10");
  });

  it("take widths from the first batch and widen when a later row needs more", async () => {
    expect(await print("table", {}, 1)).toBe("NAME   COUNT\nb          9\na        100\na long one      20\n");
  });

  it("leave headers out when asked, and show them for an empty list", async () => {
    expect(await print("table", { hasHeaders: false })).toBe("b              9\na            100\na long one    20\n");
    const empty = printList(list, inBatches<Row>([]), () => status, { output: parseOutput("table") });
    expect(await joinText(empty)).toBe("NAME   COUNT\n");
  });

  it("let no control character of a name reach the terminal", async () => {
    const evil: readonly Row[] = [{ name: "a\u001b[2J\nb", count: 1, address: "" }];
    const text = await joinText(printList(list, inBatches(evil), () => status, { output: parseOutput("table") }));
    expect(text).toBe("NAME      COUNT\na?[2J?b       1\n");
  });
});

describe("machine formats", () => {
  it("json: envelope with items, then status", async () => {
    const json = JSON.parse(await print("json"));
    expect(json).toMatchObject({ apiVersion: "cilium-ts.io/v1", kind: "ThingList", items: rows });
    expect(Object.keys(json)).toEqual(["apiVersion", "kind", "items", "status"]);
    expect(json.status).toMatchObject({ state: "partial", reason: "rn2: no answer", rowsRead: 3, restarts: 1 });
    expect(json.status.nodes[1]).toEqual({
      name: "rn2",
      state: "missing",
      reason: "no answer",
      rowsRead: 0,
      restarts: 0,
    });
  });

  it("jsonl: one item a line and the status last", async () => {
    const lines = (await print("jsonl"))
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.slice(0, 3)).toEqual(rows);
    expect(lines[3]).toMatchObject({ kind: "ListStatus", state: "partial", rowsRead: 3 });
  });

  it("yaml says the same as json", async () => {
    expect(parse(await print("yaml", {}, 2))).toEqual(JSON.parse(await print("json")));
  });

  it("empty lists are whole documents", async () => {
    const empty = (output: string): Promise<string> =>
      joinText(printList(list, inBatches<Row>([]), () => status, { output: parseOutput(output) }));
    expect(JSON.parse(await empty("json")).items).toEqual([]);
    expect(parse(await empty("yaml")).items).toEqual([]);
    expect((await empty("jsonl")).trimEnd().split("\n")).toHaveLength(1);
    expect(await empty("name")).toBe("");
  });

  it("name: one word a row", async () => {
    expect(await print("name")).toBe("thing/b\nthing/a\nthing/a long one\n");
  });

  it("jsonpath: over the whole envelope", async () => {
    expect(await print("jsonpath={.items[*].count}")).toBe("9 100 20");
    expect(await print("jsonpath={.status.state}")).toBe("partial");
  });

  it("the fast text of conntrack items is that of the item", () => {
    const named = ctRows().map((row) => ({
      ...row,
      node: 'node "1"',
      sourceName: { kind: "pod" as const, namespace: "shop", name: "cart" },
      clock: clockAt(5_000),
      packets: 1n << 60n,
      interfaceIndex: 4,
    }));
    const counted = ctRows().map((row) => ({
      ...row,
      layout: { release: "1.15" as const, hasRxCounters: true, unknownFields: [] },
      union0: 3n,
      rxPackets: 3n,
      rxBytes: row.backendId,
      backendId: row.direction === "service" ? row.backendId : undefined,
    }));
    const rows: readonly CtRow[] = [...ctRows(), ...named, ...counted, ...unknownCtRows(), ...[...ctRows()].reverse()];
    expect(rows.length).toBeGreaterThan(100);
    const list = withAge(conntrackList);
    const parts = list.writers!()(rows);
    const items = parts.flatMap(({ length, item }) =>
      Array.from({ length }, (_, index) => {
        const out = new TextBuffer();
        item(index, out);
        return out.take().toString();
      }),
    );
    expect(items).toEqual(rows.map((row) => JSON.stringify(list.item(row))));
  });

  it("the fast cells of conntrack entries are those of the columns", () => {
    const rows = ctRows().flatMap((row): CtRow[] => [
      row,
      { ...row, node: "node-1", clock: clockAt(801), expiresAtSeconds: 8_000, isRelated: true },
      { ...row, node: "node-1", clock: clockAt(1e9), destinationName: { kind: "node", name: "n" } },
    ]);
    rows.push(...unknownCtRows());
    const parts = conntrackList.writers!()(rows);
    for (const { header, value } of conntrackList.columns) {
      const cells = parts.flatMap(({ length, cells: writers }) =>
        Array.from({ length }, (_, index) => {
          const out = new TextBuffer();
          writers.get(header)!(index, out);
          return out.take().toString();
        }),
      );
      expect(cells).toEqual(rows.map(value));
    }
  });
});

describe("conntrack entries of an undecided release", () => {
  it("have what differs as null in JSON, but for the backend of service entries", () => {
    const items = unknownCtRows().map((row) => [row.direction, conntrackList.item(row)] as const);
    const nothing = { rxPackets: null, rxBytes: null, natPort: null, interfaceIndex: null };
    for (const [direction, item] of items) {
      const backendId = direction === "service" ? expect.any(Number) : null;
      expect(item).toMatchObject({ ...nothing, backendId });
    }
    expect(new Set(items.map(([direction]) => direction)).size).toBe(3);
  });

  it("are printed in upstream's format as the newest release has them", async () => {
    const rows = (list: readonly CtRow[]) =>
      joinText(printList(conntrackList, inBatches(list), () => status, { output: parseOutput("cilium") }));
    expect(await rows(unknownCtRows())).toBe(await rows(ctRows()));
  });
});

describe("conntrack table", () => {
  const expires = async (remainingSeconds: number | undefined): Promise<string> => {
    const clock = remainingSeconds === undefined ? undefined : clockAt(9000 - remainingSeconds);
    const row = { ...ctRows()[0]!, expiresAtSeconds: 9000, clock };
    const columns = conntrackList.columns.filter(({ header }) => header === "EXPIRES");
    const text = printList({ ...conntrackList, columns }, inBatches([row]), () => status, {
      output: parseOutput("table"),
      hasHeaders: false,
    });
    return (await joinText(text)).trim();
  };

  it("EXPIRES is the time that is left, not a number of the node's clock", async () => {
    expect(await expires(8000)).toBe("2h13m");
    expect(await expires(65)).toBe("1m5s");
    expect(await expires(9)).toBe("9s");
    expect(await expires(0)).toBe("0s");
    expect(await expires(-1)).toBe("expired");
    expect(await expires(undefined)).toBe("at 9000s");
  });
});

describe("order and limit", () => {
  it("sorts by column in either direction, numbers by value", async () => {
    expect(await print("name", { sortBy: "count" })).toBe("thing/b\nthing/a long one\nthing/a\n");
    expect(await print("name", { sortBy: "-COUNT" })).toBe("thing/a\nthing/a long one\nthing/b\n");
  });

  it("sorts by field, digits in texts by value", async () => {
    expect(await print("name", { sortBy: ".address" })).toBe("thing/a long one\nthing/a\nthing/b\n");
  });

  it("sorts numbers within texts by value, wherever they begin", async () => {
    const inOrder = ["", "a", "a01c", "a1b", "a2", "a10", "a10:2", "a10:10", "a100", "b-1", "b1", "ba"];
    const shuffled = inOrder.map((name, index) => ({ name, count: (index * 7) % 12, address: "" }));
    shuffled.sort((a, b) => a.count - b.count);
    for (const limit of [undefined, 3, 12]) {
      const text = await joinText(
        printList(list, inBatches(shuffled, 2), () => status, { output: parseOutput("name"), sortBy: "name", limit }),
      );
      const wanted = inOrder.slice(0, limit).map((name) => `thing/${name}\n`);
      expect(text).toBe(wanted.join(""));
    }
  });

  it("refuses a field that no row has, and names those there are", async () => {
    await expect(print("name", { sortBy: ".adress" })).rejects.toMatchObject({
      code: "unknown-column",
      message: expect.stringContaining('did you mean "address"?'),
      hint: expect.stringContaining(".name, .count, .address"),
    });
  });

  it("keeps only the limit while it sorts a long stream", async () => {
    const many = Array.from({ length: 10_000 }, (_, index) => ({
      name: "x",
      count: (index * 7919) % 10_000,
      address: "",
    }));
    const text = await joinText(
      printList(list, inBatches(many, 100), () => status, {
        output: parseOutput("jsonpath={.items[*].count}"),
        sortBy: "COUNT",
        limit: 5,
        maxRows: 500,
      }),
    );
    expect(text).toBe("0 1 2 3 4");
  });

  it("refuses to sort more rows than it may hold", async () => {
    await expect(print("table", { sortBy: "COUNT", maxRows: 2 })).rejects.toMatchObject({ code: "sort-too-large" });
  });

  it("ends the stream when the limit is reached", async () => {
    let ended = false;
    async function* endless(): AsyncGenerator<readonly Row[]> {
      try {
        for (;;) yield rows;
      } finally {
        ended = true;
      }
    }
    const text = await joinText(printList(list, endless(), () => status, { output: parseOutput("name"), limit: 4 }));
    expect(text.split("\n")).toHaveLength(5);
    expect(ended).toBe(true);
  });

  it("prints the first rows before the stream has ended", async () => {
    let asked = 0;
    async function* slow(): AsyncGenerator<readonly Row[]> {
      for (;;) {
        asked++;
        yield rows;
      }
    }
    const pieces = printList(list, slow(), () => status, { output: parseOutput("table") })[Symbol.asyncIterator]();
    expect(new TextDecoder().decode((await pieces.next()).value)).toContain("a long one");
    expect(asked).toBe(1);
    await pieces.return?.(undefined);
  });
});

describe("requests that cannot be met", () => {
  const check =
    (more: Partial<PrintRequest>): (() => void) =>
    () =>
      checkPrintRequest(list, { output: { kind: "table" }, ...more });

  it.each([-1, 0, 1.5, Number.NaN])("--limit %s", (limit) => {
    expect(check({ limit })).toThrow(expect.objectContaining({ code: "bad-limit", exitCode: 2 }));
  });

  it("an unknown column names the nearest and all allowed ones", () => {
    expect(check({ sortBy: "cuont" })).toThrow(/there is no column "cuont": did you mean "COUNT"/);
    expect(check({ sortBy: "cuont" })).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("NAME, COUNT, ADDRESS") }),
    );
  });

  it("an unknown output names the nearest and all allowed ones", () => {
    expect(() => parseOutput("jsno")).toThrow(/did you mean "json"/);
    expect(() => parseOutput("jsno")).toThrow(UsageError);
    expect(() => parseOutput("")).toThrow(expect.objectContaining({ code: "unknown-output" }));
  });

  it("upstream's format where upstream has no such list", () => {
    expect(check({ output: { kind: "cilium" } })).toThrow(expect.objectContaining({ code: "unknown-output" }));
  });

  it("knows each output by its name", () => {
    for (const name of outputNames.filter((candidate) => candidate !== "jsonpath"))
      expect(parseOutput(name).kind).toBe(name);
  });
});

describe("status", () => {
  it("is carried by json, yaml and jsonl alone", () => {
    const carrying = ["table", "json", "yaml", "jsonl", "name", "cilium"].filter((name) =>
      carriesStatus(parseOutput(name)),
    );
    expect(carrying).toEqual(["json", "yaml", "jsonl"]);
  });

  it("in words", () => {
    expect(statusLines(status)).toEqual([
      "PARTIAL: 3 entries read from 1 of 2 nodes, 1 restarts because the map changed: rn2: no answer",
    ]);
  });
});

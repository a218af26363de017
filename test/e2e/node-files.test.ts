import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { RowList } from "../../src/actions/row-list.js";
import type { ReaderName, ReaderRequest, ReaderRow } from "../../src/model/readers.js";
import type { NodePlace } from "../../src/node/node-context.js";
import { NodeReaders } from "../../src/node/node-readers.js";
import type { ListFormat } from "../../src/output/list-format.js";
import { templateHeaderList, templateList } from "../../src/output/lists/node-file-lists.js";
import { parseOutput } from "../../src/output/output-format.js";
import { printList } from "../../src/output/printer.js";
import { MapNode } from "../support/map-node.js";
import { runCli } from "../support/run-cli.js";
import { TestFolder } from "../support/test-folder.js";
import { joinText, readCapture } from "../unit/abi-capture-files.js";

const { signal } = new AbortController();

function listOf<Name extends ReaderName>(
  root: string,
  name: Name,
  request: ReaderRequest<Name>,
  place: Partial<NodePlace> = {},
): RowList<ReaderRow<Name>> {
  const readers = NodeReaders.open({ name: "node-1", bpffs: join(root, "bpf"), root, ...place });
  return {
    rows: readers.read(name, request, { signal }),
    status: () => ({ state: "complete", rowsRead: 0, restarts: 0, nodes: [] }),
  };
}

function print<Row>(format: ListFormat<Row>, { rows, status }: RowList<Row>, output: string): Promise<string> {
  return joinText(printList(format, rows, status, { output: parseOutput(output) }));
}

describe("bpf fs show", () => {
  let node: MapNode;
  beforeAll(async () => {
    node = await MapNode.start();
  });
  afterAll(() => node[Symbol.dispose]());
  const show = (output: string) => runCli(["bpf", "fs", "show", "-o", output, "--lab", node.lab]);
  /** The lines of the node's own mount table. */
  const mounts = () =>
    readFileSync(`/proc/${node.pid}/mountinfo`, "utf8")
      .split("\n")
      .filter((line) => line.includes(" - bpf "))
      .map((line) => line.split(" "));

  test("prints the first as upstream's tool does", async () => {
    const [id, parent, device, root, point, options, ...rest] = mounts()[0]!;
    const optional = rest.slice(0, rest.indexOf("-"));
    const [, filesystem, source, superOptions] = rest.slice(rest.indexOf("-"));
    expect((await show("cilium")).stdout).toBe(
      [
        `MountID:          ${id}`,
        `ParentID:         ${parent}`,
        "Mounted State:    true",
        `MountPoint:       ${point}`,
        `MountOptions:     ${options}`,
        `OptionFields:     [${optional.join(" ")}]`,
        `FilesystemType:   ${filesystem}`,
        `MountSource:      ${source}`,
        `SuperOptions:     ${superOptions}`,
        "",
      ].join("\n"),
    );
    const json = (await show("cilium-json")).stdout;
    expect(json.endsWith("}\n\n")).toBe(true);
    expect(Object.entries(JSON.parse(json))).toEqual([
      ["MountID", Number(id)],
      ["ParentID", Number(parent)],
      ["StDev", device],
      ["Root", root],
      ["MountPoint", point],
      ["MountOptions", options],
      ["OptionalFields", optional.length === 0 ? null : optional],
      ["FilesystemType", filesystem],
      ["MountSource", source],
      ["SuperOptions", superOptions],
    ]);
  });

  test("lists all of them in our own formats", async () => {
    const { items } = JSON.parse((await show("json")).stdout);
    expect(items).toHaveLength(mounts().length);
    expect(items.at(-1)).toMatchObject({ node: "node-1", mountPoint: "/sys/fs/bpf", filesystem: "bpf" });
  });

  const whole = "36 35 0:30 / /sys/fs/bpf rw,nosuid shared:7 master:2 - bpf none rw,mode=700";
  const readMounts = (table: string) => {
    const folder = new TestFolder();
    const mountInfo = join(folder.path, "mountinfo");
    writeFileSync(mountInfo, table);
    return {
      rows: listOf(folder.path, "mounts", {}, { mountInfo }).rows[Symbol.asyncIterator](),
      [Symbol.dispose]: () => folder[Symbol.dispose](),
    };
  };

  test("lines that are none of a mount table are left out", async () => {
    const broken = [
      "36",
      " - bpf",
      "x 35 0:30 / /x rw - bpf none rw",
      "1 2 0:3 / /x rw - bpf",
      "1 2 3 4 5 6 - bpf a b - c",
    ];
    using reading = readMounts([...broken, whole, ""].join("\n"));
    expect((await reading.rows.next()).value).toMatchObject([
      { mountId: 36, optionalFields: ["shared:7", "master:2"] },
    ]);
  });

  test("without a BPF file system there is nothing to show", async () => {
    using reading = readMounts(whole.replace("- bpf", "- tmpfs"));
    await expect(reading.rows.next()).rejects.toMatchObject({ code: "bpffs-missing", exitCode: 6 });
  });
});

describe("bpf sha", () => {
  const shas = [
    "b6e6611ae218ef9cd964a2edf7fac058fd9a923550cd61f27c4b959d9d64aa5d",
    "ee26f8e6afb73a2b9b2224aa817845cf32f02c37ab7cc2cbfc19784a5677edda",
  ] as const;
  const header = '#define LXC_ID 294\n// JSON_OUTPUT: eyJhIjoiPCI+fQ==\n\n#define X\t"é"\n';

  /** The folder of a node on which upstream's agent has compiled templates. */
  class AgentState extends TestFolder {
    readonly state = join(this.path, "var/run/cilium/state");

    template(sha: string): string {
      const folder = join(this.state, "templates", sha);
      mkdirSync(folder, { recursive: true });
      writeFileSync(join(folder, "ep_config.h"), header);
      return folder;
    }

    endpoint(id: number, template?: string): string {
      const folder = join(this.state, String(id));
      mkdirSync(folder, { recursive: true });
      if (template !== undefined) writeFileSync(join(folder, "template.txt"), `${template}\n`);
      return folder;
    }
  }

  const list = (agent: AgentState, output: string, release?: string) =>
    print(templateList, listOf(agent.path, "templates", {}, { release }), output);

  test("list prints what upstream's tool printed of the same templates and endpoints", async () => {
    using agent = new AgentState();
    for (const sha of shas) agent.template(sha);
    agent.endpoint(294, shas[0]);
    for (const id of [801, 878, 1081, 1623, 2461, 3444]) agent.endpoint(id, shas[1]);
    mkdirSync(join(agent.state, "bpf"), { recursive: true });
    expect(await list(agent, "cilium")).toBe(readCapture("out/bpf-sha-list.txt"));
    expect(await list(agent, "cilium-json")).toBe(readCapture("out/bpf-sha-list.json"));
    expect(JSON.parse(await list(agent, "json")).items[0]).toEqual({ node: "node-1", sha: shas[0], endpoints: [294] });
  });

  test("templates that nobody uses, and endpoints whose template is missing or gone", async () => {
    using agent = new AgentState();
    agent.template("aa");
    agent.endpoint(1);
    agent.endpoint(2, "bb");
    agent.endpoint(3, "../../../etc");
    expect(await list(agent, "cilium")).toBe(
      [
        "Datapath SHA              Endpoint(s)",
        "<missing template.txt>    1    ",
        "<template path invalid>   2    ",
        "                          3    ",
        "aa                        -    ",
        "",
      ].join("\n"),
    );
    expect(JSON.parse(await list(agent, "cilium-json"))).toEqual({
      "<missing template.txt>": ["1"],
      "<template path invalid>": ["2", "3"],
      aa: [],
    });
  });

  test("up to 1.15 a link led to the template", async () => {
    using agent = new AgentState();
    agent.template("aa");
    symlinkSync("/var/run/cilium/state/templates/aa/bpf_lxc.o", join(agent.endpoint(7), "template.o"));
    agent.endpoint(8);
    writeFileSync(join(agent.endpoint(9), "template.o"), "");
    expect(JSON.parse(await list(agent, "cilium-json", "1.15"))).toEqual({
      "<No template used>": ["8"],
      "<Template path invalid>": ["9"],
      aa: ["7"],
    });
  });

  test("get prints the header as it is, and in upstream's JSON what is embedded in it", async () => {
    using agent = new AgentState();
    agent.template("aa");
    const get = (output: string) =>
      print(templateHeaderList, listOf(agent.path, "template-header", { sha: "aa" }), output);
    expect(await get("cilium")).toBe(header);
    expect(await get("cilium-json")).toBe('"eyJhIjoiPCI+fQ=="\n\n');
    expect(JSON.parse(await get("json")).items[3]).toEqual({
      node: "node-1",
      sha: "aa",
      line: 4,
      text: '#define X\t"é"',
    });
  });

  test.each([
    ["bb", "template-missing"],
    ["../aa", "bad-sha"],
    ["..", "bad-sha"],
  ])("get %s is refused: %s", async (sha, code) => {
    using agent = new AgentState();
    agent.template("aa");
    const { rows } = listOf(agent.path, "template-header", { sha });
    await expect(rows[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code });
  });

  test("a node without an agent of upstream has no templates", async () => {
    using folder = new TestFolder();
    const { rows } = listOf(folder.path, "templates", {});
    await expect(rows[Symbol.asyncIterator]().next()).rejects.toMatchObject({ code: "templates-missing", exitCode: 5 });
  });
});

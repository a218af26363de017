import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { repositoryRoot, runCli } from "../support/run-cli.js";

interface Manifest {
  readonly commands: Readonly<Record<string, { readonly hidden?: boolean; readonly summary?: string }>>;
}

const manifest: Manifest = JSON.parse(readFileSync(join(repositoryRoot, "oclif.manifest.json"), "utf8"));
const packageFile: {
  readonly oclif: { readonly topics: Readonly<Record<string, { readonly description: string }>> };
} = JSON.parse(readFileSync(join(repositoryRoot, "package.json"), "utf8"));
/** Pages are laid out in columns that wrap. */
const asOneLine = (text: string): string => text.replaceAll(/\s+/g, " ");
/** Other suites own the pages of these. */
const isRead = (id: string): boolean => !/^(lab|agent|operator)(:|$)/.test(id);
const commands = Object.keys(manifest.commands)
  .filter((id) => manifest.commands[id]?.hidden !== true)
  .filter(isRead)
  .sort();

describe("help", () => {
  test("of the whole tool names the topics and the commands", async () => {
    const { exitCode, stdout, stderr } = await runCli(["--help"]);
    expect(exitCode).toBe(0);
    expect(stderr).toBe("");
    expect(stdout).toContain("$ kubectl cilium-ts [COMMAND]");
    for (const word of ["bpf", "endpoint", "service", "status", "which", "features"]) expect(stdout).toContain(word);
  });

  test("typing nothing shows the same page", async () => {
    const [bare, help] = await Promise.all([runCli([]), runCli(["--help"])]);
    expect(bare.stdout).toBe(help.stdout);
    expect(bare.exitCode).toBe(0);
  });

  test.each(commands)("of %s stays as it was agreed", async (id) => {
    const { exitCode, stdout } = await runCli([...id.split(":"), "--help"]);
    expect(exitCode).toBe(0);
    await expect(stdout).toMatchFileSnapshot(`__snapshots__/help/${id.replaceAll(":", "-")}.txt`);
  });

  test("of a topic lists its commands", async () => {
    const { exitCode, stdout } = await runCli(["bpf", "--help"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/bpf ct list +List connection tracking entries|bpf ct +/);
  });

  const topics = [
    ...new Set(Object.keys(manifest.commands).flatMap((id) => id.split(":").map((_, end, all) => all.slice(0, end)))),
  ]
    .map((words) => words.join(":"))
    .filter((topic, index, all) => topic !== "" && all.indexOf(topic) === index);

  test.each(topics)("of the topic %s says what it is about, on its own page and on the page above", async (topic) => {
    const description = packageFile.oclif.topics[topic]?.description;
    expect(description).toMatch(/^[A-Z].{10,}[^.]$/);
    const words = topic.split(":");
    const [own, above] = await Promise.all([runCli([...words, "--help"]), runCli([...words.slice(0, -1), "--help"])]);
    expect(asOneLine(own.stdout)).toContain(description);
    expect(asOneLine(above.stdout)).toContain(`${words.join(" ")} ${description}`);
  });

  test("every command says what it does in one line", () => {
    for (const id of commands) expect(manifest.commands[id]?.summary, id).toMatch(/^[A-Z].{10,}[^.]$/);
  });
});

describe("what is loaded", () => {
  /** Scripts that the process compiled, by V8's own account. */
  async function loadedScripts(args: readonly string[]): Promise<readonly string[]> {
    const folder = mkdtempSync(join(tmpdir(), "cts-t-coverage-"));
    try {
      await runCli(args, { env: { NODE_V8_COVERAGE: folder } });
      return readdirSync(folder).flatMap((name) => {
        const report: { readonly result: readonly { readonly url: string }[] } = JSON.parse(
          readFileSync(join(folder, name), "utf8"),
        );
        return report.result.map(({ url }) => url.replace(/^file:\/\//, ""));
      });
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  const heavy =
    /\/dist\/(actions|agent|abi|datapath|kernel|lab|node|output|session|state)\/|node_modules\/(yaml|pino|ipaddr)/;

  test("--help loads neither the kernel, a lab, the printers nor yaml", async () => {
    const scripts = await loadedScripts(["--help"]);
    expect(scripts.filter((script) => heavy.test(script))).toEqual([]);
    expect(scripts.some((script) => script.endsWith("/vendor/oclif.js"))).toBe(true);
  });

  test("version loads its own command only", async () => {
    const scripts = await loadedScripts(["version"]);
    expect(scripts.filter((script) => heavy.test(script))).toEqual([]);
    expect(
      scripts
        .filter((script) => script.includes("/dist/commands/"))
        .map((path) => path.split("/").at(-1))
        .sort(),
    ).toEqual(["base-command.js", "error-report.js", "version.js"]);
  });

  test("help of a command loads no command", async () => {
    const scripts = await loadedScripts(["bpf", "ct", "list", "--help"]);
    expect(scripts.filter((script) => script.startsWith(join(repositoryRoot, "dist/")))).toEqual([]);
  });
});

import { spawnSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const root = join(import.meta.dirname, "../..");

/** What a machine has that only runs the package: no compiler, no make, no clang. */
const allowedTools = ["node", "npm", "sh", "env", "uname", "setpriv", "kubectl", "ldd"];

/** What reaches the registry: npm's cache and the ways through a proxy. Nothing that could lead to a compiler. */
const passedOn =
  /^(HOME|LANG|TERM|NODE_EXTRA_CA_CERTS|SSL_CERT_(FILE|DIR)|(https?|no)_proxy|npm_config_(cache|registry|cafile))$/i;

export interface CommandOutcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

function findTool(name: string): string | undefined {
  const folders = (process.env.PATH ?? "").split(":").concat("/usr/sbin", "/sbin");
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

function must(outcome: CommandOutcome, what: string): CommandOutcome {
  if (outcome.status !== 0) throw new Error(`${what} ended with ${outcome.status}: ${outcome.stderr}${outcome.stdout}`);
  return outcome;
}

/** The package as `npm pack` makes it, installed globally into an empty prefix of its own. */
export class InstalledPackage implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "cts-t-package-"));
  readonly prefix = join(this.folder, "prefix");
  readonly #tools = join(this.folder, "tools");
  /** Names in the tarball, without the leading `package/`. */
  readonly packed: readonly string[];

  constructor() {
    chmodSync(this.folder, 0o755);
    try {
      mkdirSync(this.#tools);
      for (const name of allowedTools) {
        const path = findTool(name);
        if (path === undefined) throw new Error(`${name} is not on this machine`);
        symlinkSync(path, join(this.#tools, name));
      }
      this.packed = this.#packAndInstall();
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  #packAndInstall(): readonly string[] {
    // The set-up has built everything; a second build here would race with labs that run from dist/.
    const pack = ["pack", "--json", "--ignore-scripts", "--pack-destination", this.folder];
    const packed = spawnSync("npm", pack, { cwd: root, encoding: "utf8" });
    const [report] = JSON.parse(must(packed, "npm pack").stdout) as { filename: string; files: { path: string }[] }[];
    if (report === undefined) throw new Error("npm pack reported nothing");
    const install = ["install", "--global", "--prefix", this.prefix, "--prefer-offline", "--no-audit", "--no-fund"];
    must(this.run("npm", [...install, join(this.folder, report.filename)]), "npm install");
    return report.files.map((file) => file.path);
  }

  /** Where npm put the package. */
  get home(): string {
    return join(this.prefix, "lib/node_modules/kubectl-cilium-ts");
  }

  /** Shared libraries and the addon, by path. */
  get nativeFiles(): readonly string[] {
    return readdirSync(join(this.home, "prebuilds"), { recursive: true, encoding: "utf8" })
      .filter((name) => /\.(node|so)(\.\d+)*$/.test(name))
      .map((name) => join(this.home, "prebuilds", name));
  }

  /** Runs a command with nothing on PATH but the tools above and the package. */
  run(command: string, args: readonly string[]): CommandOutcome {
    const kept = Object.entries(process.env).filter(([name]) => passedOn.test(name));
    const path = `${join(this.prefix, "bin")}:${this.#tools}`;
    const env = { ...Object.fromEntries(kept), PATH: path, NO_COLOR: "1" };
    return spawnSync(command, args, { env, cwd: this.folder, encoding: "utf8", timeout: 100_000 });
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

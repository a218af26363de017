import { execFileSync, spawn, spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { build } from "esbuild";
import type { VerifierCounts } from "../../test/bpf/verifier-counts.js";
import type { SuiteReport } from "./reporter.js";
import { judgeReport, type SuiteOutcome } from "./run-suite.js";

const root = join(import.meta.dirname, "../..");
const scripts = join(root, "scripts/emulated-kernel");

/** Software emulation is some twenty times slower than the machine. */
const timeoutMs = 25 * 60_000;
const memoryMiB = 2560;

/** A boot of the emulator: what it runs and which reports must come of it. */
export interface EmulatedRun {
  readonly label: string;
  /** TypeScript files, each packed into one `.js` beside its place: compiling them in there would take minutes. */
  readonly bundles: readonly string[];
  /** Files and folders of the clone. */
  readonly files: readonly string[];
  /** Shell commands, run in the clone's copy. */
  readonly command: string;
  /** Labels of the reports. */
  readonly reports: readonly string[];
}

export const smokeRun: EmulatedRun = {
  label: "emulated Linux 6.1",
  bundles: ["test/emulated/smoke.ts"],
  files: ["package.json", "bpf/build", "prebuilds", "test/bpf/verifier-counts.json"],
  command: "node test/emulated/smoke.js",
  reports: ["smoke"],
};

/** Boots Debian's kernel in qemu and sums up what its run reports; skipped, and why, where that cannot be had. */
export async function runEmulated(run: EmulatedRun): Promise<readonly SuiteOutcome[]> {
  const output = await runMachine(run);
  if ("lines" in output) return readOutcomes(run, output.lines);
  const skipped = [{ name: run.label, reason: output.missing }];
  return [{ label: run.label, passed: 0, failed: 0, failures: [], skipped, problems: [] }];
}

/** The emulated kernel's name and what its verifier thinks of the programs. */
export async function countEmulated(): Promise<readonly [string, VerifierCounts]> {
  const output = await runMachine(smokeRun);
  if ("missing" in output) throw new Error(output.missing);
  const text = readTold(output.lines, "VERIFIED");
  if (text === undefined) throw new Error("the emulated kernel did not load the programs");
  return JSON.parse(text) as [string, VerifierCounts];
}

async function runMachine(
  run: EmulatedRun,
): Promise<{ readonly missing: string } | { readonly lines: readonly string[] }> {
  const fetched = spawnSync(join(scripts, "fetch.sh"), { encoding: "utf8" });
  process.stderr.write(fetched.stderr);
  if (fetched.status !== 0)
    return { missing: fetched.stderr.trimEnd().split("\n").at(-1) ?? "scripts/emulated-kernel/fetch.sh failed" };
  const work = mkdtempSync(join(tmpdir(), "cts-emulated-"));
  try {
    const kernel = fetched.stdout.trim();
    const image = await packImage(run, kernel, work);
    return { lines: await boot(join(kernel, "vmlinuz"), image, join(work, "console")) };
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

async function packImage(run: EmulatedRun, kernel: string, work: string): Promise<string> {
  const files = join(work, "files");
  const project = join(files, "project");
  for (const path of run.files) {
    mkdirSync(dirname(join(project, path)), { recursive: true });
    cpSync(join(root, path), join(project, path), { recursive: true, verbatimSymlinks: true });
  }
  await build({
    absWorkingDir: root,
    entryPoints: [...run.bundles],
    outbase: ".",
    outdir: project,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    external: ["vitest", "esbuild", "fast-check"],
    logLevel: "warning",
  });
  writeFileSync(join(files, "command"), `#!/bin/busybox sh\n${run.command}\n`);
  chmodSync(join(files, "command"), 0o755);
  const image = join(work, "image");
  execFileSync(join(scripts, "image.sh"), [kernel, files, image], { stdio: ["ignore", "inherit", "inherit"] });
  return image;
}

/** Runs the machine to its end; returns the lines that its command printed. */
async function boot(vmlinuz: string, image: string, consolePath: string): Promise<readonly string[]> {
  const child = spawn(
    "qemu-system-x86_64",
    [
      ...["-accel", "tcg,thread=multi,tb-size=512", "-cpu", "max", "-smp", "2", "-m", `${memoryMiB}`],
      ...["-nodefaults", "-no-reboot", "-display", "none", "-serial", `file:${consolePath}`, "-serial", "stdio"],
      ...["-kernel", vmlinuz, "-initrd", image, "-append", "console=ttyS0 panic=-1 quiet mitigations=off"],
    ],
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  const lines: string[] = [];
  for await (const line of createInterface({ input: child.stdout })) {
    lines.push(line.trimEnd());
    if (!line.startsWith("CTS-")) process.stdout.write(`${line.trimEnd()}\n`);
  }
  clearTimeout(timer);
  return lines;
}

/** What a line says behind `CTS-<word>`. */
function readTold(lines: readonly string[], word: string): string | undefined {
  const begin = `CTS-${word} `;
  return lines.find((line) => line.startsWith(begin))?.slice(begin.length);
}

function readOutcomes(run: EmulatedRun, lines: readonly string[]): readonly SuiteOutcome[] {
  const missing = (readTold(lines, "MISSING") ?? "").split(",");
  return run.reports.map((name) => {
    const label = `${run.label}: ${name}`;
    const text = readTold(lines, `REPORT ${name}`);
    if (text !== undefined) return judgeReport(JSON.parse(text) as SuiteReport, { label, missing });
    const problems = [`${label}: no report; the machine printed last: ${lines.at(-1) ?? "nothing"}`];
    return { label, passed: 0, failed: 1, failures: [], skipped: [], problems };
  });
}

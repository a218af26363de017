import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addonPath, loadAddon } from "../../src/kernel/addon.js";
import { repositoryRoot, thrownBy } from "./kernel-fixture.js";

const folder = dirname(addonPath());
const libraries = readdirSync(folder).filter((name) => name.endsWith(".node") || name.includes(".so"));

describe("what is shipped", () => {
  it("is the addon with its three libraries beside it", () => {
    expect(libraries).toEqual(expect.arrayContaining(["cilium_ts.node", "libbpf.so.1", "libelf.so.1", "libz.so.1"]));
  });

  it.each(libraries)("%s asks for nothing above GLIBC_2.34 and for no C++ runtime", (name) => {
    const symbols = execFileSync("readelf", ["-W", "--dyn-syms", join(folder, name)], { encoding: "utf8" });
    const versions = [...symbols.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(
      (match) => Number(match[1]) * 1000 + Number(match[2]),
    );
    expect(versions.length).toBeGreaterThan(0);
    expect(Math.max(...versions)).toBeLessThanOrEqual(2034);
    const dynamic = execFileSync("readelf", ["-dW", join(folder, name)], { encoding: "utf8" });
    expect(dynamic).not.toMatch(/libstdc\+\+|libgcc_s/);
  });

  it("finds its libraries beside itself, wherever it lies and whatever the machine has", () => {
    const dynamic = execFileSync("readelf", ["-dW", addonPath()], { encoding: "utf8" });
    expect(dynamic).toContain("[$ORIGIN]");
    const copy = mkdtempSync(join(tmpdir(), "cts-t-addon-"));
    try {
      cpSync(folder, copy, { recursive: true });
      const script = `require(${JSON.stringify(join(copy, "cilium_ts.node"))});
        const maps = require("node:fs").readFileSync("/proc/self/maps", "utf8");
        console.log(JSON.stringify([...new Set(maps.match(/\\/.*\\/lib(bpf|elf|z)[-.].*so.*/g))]));`;
      const loaded = JSON.parse(execFileSync(process.execPath, ["-e", script], { encoding: "utf8" })) as string[];
      expect(loaded.map((path) => dirname(path))).toEqual([copy, copy, copy]);
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  });

  it("a second build does nothing", () => {
    const before = statSync(addonPath()).mtimeMs;
    execFileSync("scripts/build-native.sh", { cwd: repositoryRoot });
    expect(statSync(addonPath()).mtimeMs).toBe(before);
  });
});

describe("without a usable addon", () => {
  let empty: string;
  beforeAll(() => {
    empty = mkdtempSync(join(tmpdir(), "cts-t-addon-"));
  });
  afterAll(() => rmSync(empty, { recursive: true, force: true }));

  it("says for which platform and libc, where it looked and how to get one", () => {
    const path = join(empty, "nothing.node");
    expect(thrownBy(() => loadAddon(path))).toMatchObject({
      code: "addon-missing",
      exitCode: 6,
      message: expect.stringMatching(/no native addon for linux-\w+ with glibc \d+\.\d+: looked for .*nothing\.node/),
      hint: expect.any(String),
      nextSteps: [expect.stringContaining("npm run build")],
      details: { platform: `${process.platform}-${process.arch}`, path, exists: false },
    });
  });

  it("passes on why the dynamic linker refused one", () => {
    const path = join(empty, "broken.node");
    writeFileSync(path, "not an ELF file");
    expect(thrownBy(() => loadAddon(path))).toMatchObject({
      code: "addon-missing",
      message: expect.stringContaining("cannot be loaded"),
      details: { exists: true, reason: expect.stringMatching(/ELF|file too short/) },
    });
  });

  it("importing the wrapper loads nothing", () => {
    const script = `
      await import("./src/kernel/bpf-map.ts"); await import("./src/kernel/bpf-object.ts");
      await import("./src/kernel/features.ts"); await import("./src/kernel/net.ts");
      const maps = (await import("node:fs")).readFileSync("/proc/self/maps", "utf8");
      console.log(maps.includes("cilium_ts.node"));`;
    const outcome = spawnSync(process.execPath, ["--import", "tsx", "--input-type=module", "-e", script], {
      cwd: repositoryRoot,
      encoding: "utf8",
    });
    expect(outcome.stdout.trim()).toBe("false");
  });
});

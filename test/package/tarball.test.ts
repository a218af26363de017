import { spawnSync } from "node:child_process";
import { renameSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { InstalledPackage } from "./installed-package.js";

const platform = `${process.platform}-${process.arch}`;
let installed: InstalledPackage;

beforeAll(() => {
  installed = new InstalledPackage();
});
afterAll(() => installed?.[Symbol.dispose]());

/** The command as the user `nobody`: no capability at all. */
function asNobody(...args: string[]) {
  const nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups", "--bounding-set=-all"];
  return installed.run("setpriv", [...nobody, "kubectl-cilium_ts", ...args]);
}

describe("the packed tarball", () => {
  it("holds what runs and what describes it, and no source of the native parts", () => {
    const expected = [
      "bin/kubectl-cilium_ts",
      "bin/kubectl_complete-cilium_ts",
      "bpf/build/from_container.bpf.o",
      "dist/commands/version.js",
      "LICENSE",
      "oclif.manifest.json",
      `prebuilds/${platform}/cilium_ts.node`,
      `prebuilds/${platform}/cts-lab`,
      `prebuilds/${platform}/libbpf.so.1`,
      "vendor/LICENSES",
      "vendor/oclif.js",
    ];
    expect(installed.packed).toEqual(expect.arrayContaining(expected));
    expect(installed.packed.filter((name) => name.startsWith("docs/schema/"))).not.toEqual([]);
    expect(installed.packed.filter((name) => /\.(cc|c|h|ts|gyp)$/.test(name))).toEqual([]);
  });

  it("prints help and version as an unprivileged user", () => {
    const help = asNobody("--help");
    expect(help).toMatchObject({ status: 0, stderr: "" });
    expect(help.stdout).toContain("kubectl cilium-ts");
    expect(asNobody("version")).toMatchObject({ status: 0, stderr: "" });
  });

  it("loads the addon and probes the kernel without a compiler", () => {
    expect(installed.run("sh", ["-c", "command -v gcc cc g++ make clang"]).stdout).toBe("");
    const features = installed.run("kubectl-cilium_ts", ["features", "--local", "-o", "json"]);
    expect(features).toMatchObject({ status: 0 });
    const list = JSON.parse(features.stdout) as { items: { name: string }[] };
    expect(list.items.length).toBeGreaterThan(5);
  });

  it("refuses kernel work without root with a reason and exit code 6", () => {
    const refused = asNobody("features", "--local");
    expect(refused.status).toBe(6);
    expect(refused.stderr).toMatch(/CAP_BPF/);
  });

  it("works through kubectl, completion included", () => {
    const help = installed.run("kubectl", ["cilium-ts", "--help"]);
    expect(help).toMatchObject({ status: 0 });
    expect(help.stdout).toContain("kubectl cilium-ts");
    const completed = installed.run("kubectl", ["__complete", "cilium-ts", "bpf", ""]);
    expect(completed.status).toBe(0);
    expect(completed.stdout.split("\n").map((line) => line.split("\t")[0])).toEqual(
      expect.arrayContaining(["ct", "lb", "tunnel"]),
    );
  });
});

describe("the shipped libraries", () => {
  it("find each other beside the addon", () => {
    const addon = installed.nativeFiles.find((path) => path.endsWith("cilium_ts.node")) as string;
    const dynamic = spawnSync("readelf", ["-d", addon], { encoding: "utf8" }).stdout;
    expect(dynamic).toMatch(/RUNPATH.*\[\$ORIGIN\]/);
    expect(dynamic).not.toMatch(/libstdc\+\+|libgcc_s/);
    const resolved = installed.run("ldd", [addon]).stdout;
    for (const library of ["libbpf.so.1", "libelf.so.1", "libz.so.1"]) {
      expect(resolved).toContain(`${library} => ${join(installed.home, "prebuilds", platform)}/${library}`);
    }
  });

  it("ask for no newer glibc than 2.34 when built on a system that offers it", () => {
    const [, minor] = (
      process.report.getReport() as unknown as { header: { glibcVersionRuntime: string } }
    ).header.glibcVersionRuntime
      .split(".")
      .map(Number);
    // Copies of the system's libbpf, libelf and libz: on Debian 12 (2.36) and older they stay below, a package that is
    // released is built there. A newer system's copies may ask for as much as that system has.
    const highest = (minor ?? 0) <= 36 ? 34 : (minor ?? 0);
    for (const path of installed.nativeFiles) {
      const symbols = spawnSync("readelf", ["--version-info", "--wide", path], { encoding: "utf8" }).stdout;
      const versions = [...symbols.matchAll(/GLIBC_2\.(\d+)/g)].map((match) => Number(match[1]));
      expect(Math.max(...versions), basename(path)).toBeLessThanOrEqual(highest);
    }
  });
});

describe("without the addon", () => {
  const hide = (from: string, to: string) => renameSync(join(installed.home, from), join(installed.home, to));
  beforeAll(() => hide("prebuilds", "prebuilds.hidden"));
  afterAll(() => hide("prebuilds.hidden", "prebuilds"));

  it("help and version still work", () => {
    expect(installed.run("kubectl-cilium_ts", ["--help"])).toMatchObject({ status: 0, stderr: "" });
    expect(installed.run("kubectl-cilium_ts", ["version"])).toMatchObject({ status: 0, stderr: "" });
  });

  it("kernel work names the platform, the libc and how to get the addon", () => {
    const refused = installed.run("kubectl-cilium_ts", ["features", "--local"]);
    expect(refused.status).toBe(6);
    expect(refused.stderr).toContain(platform);
    expect(refused.stderr).toMatch(/glibc|musl/);
    expect(refused.stderr).toMatch(/npm|build/);
  });
});

import { execFileSync } from "node:child_process";

/** The newest clang of this machine that `scripts/build-bpf.sh` would take. */
export function bpfCompiler(): string {
  for (const name of ["clang-19", "clang-18", "clang-17", "clang-16", "clang-15", "clang-14", "clang"]) {
    try {
      execFileSync(name, ["--version"], { stdio: "ignore" });
      return name;
    } catch {
      // Not this one.
    }
  }
  throw new Error("no clang found; run scripts/setup.sh");
}

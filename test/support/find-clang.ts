import { spawnSync } from "node:child_process";

/** The newest clang of this machine that `scripts/build-bpf.sh` would take; `CLANG` names another one. */
export function findClang(): string {
  const candidates = [process.env.CLANG, ...[19, 18, 17, 16, 15, 14].map((version) => `clang-${version}`), "clang"];
  const found = candidates.find((name) => name !== undefined && spawnSync(name, ["--version"]).status === 0);
  if (found === undefined) throw new Error("no clang found; run scripts/setup.sh");
  return found;
}

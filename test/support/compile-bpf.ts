import { execFileSync } from "node:child_process";
import { basename, join } from "node:path";
import { findClang } from "./find-clang.js";

/** Compiles `source` (`….bpf.c`) and returns the object's path in `folder`. */
export function compileBpf(source: string, folder: string): string {
  const object = join(folder, basename(source).replace(/\.c$/, ".o"));
  const multiarch = execFileSync("gcc", ["-print-multiarch"], { encoding: "utf8" }).trim();
  execFileSync(findClang(), [
    ...["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-std=gnu11", "-Wall", "-Werror", "-Wno-unused-parameter"],
    ...["-isystem", `/usr/include/${multiarch}`],
    ...["-c", source, "-o", object],
  ]);
  return object;
}

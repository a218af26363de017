import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { KernelError } from "../lib/errors.js";
import type { NativeAddon } from "./native-addon.js";

const require = createRequire(import.meta.url);

/** Where the addon of this platform lies: the same relative place from src/ and from dist/. */
export function addonPath(): string {
  return fileURLToPath(new URL(`../../prebuilds/${process.platform}-${process.arch}/cilium_ts.node`, import.meta.url));
}

/**
 * Loads the native addon, at the first call that needs the kernel and never before: the CLI on a laptop has none.
 * Node's own module cache makes further calls cheap, and gives every worker thread its own classes.
 *
 * @throws KernelError `addon-missing` when there is none for this platform or the dynamic linker refuses it
 */
export function loadAddon(path: string = addonPath()): NativeAddon {
  try {
    return require(path) as NativeAddon;
  } catch (cause) {
    throw addonMissing(path, cause);
  }
}

function addonMissing(path: string, cause: unknown): KernelError {
  const platform = `${process.platform}-${process.arch}`;
  const libc = libcName();
  const reason = cause instanceof Error ? (cause.message.split("\n")[0] ?? "") : String(cause);
  const exists = existsSync(path);
  return new KernelError(
    "addon-missing",
    exists
      ? `the native addon ${path} cannot be loaded on ${platform} with ${libc}: ${reason}`
      : `there is no native addon for ${platform} with ${libc}: looked for ${path}`,
    {
      hint: hintFor(exists, libc),
      nextSteps:
        process.platform === "linux"
          ? ["npm run build    (in a clone; needs g++, libbpf-dev, libelf-dev, zlib1g-dev)"]
          : ["kubectl cilium-ts …    with a cluster instead of --local or --lab"],
      details: { platform, libc, path, exists, reason },
      cause,
    },
  );
}

function hintFor(exists: boolean, libc: string): string {
  if (process.platform !== "linux") {
    return "Reading a kernel needs Linux; commands that talk to a cluster work without the addon.";
  }
  if (!libc.startsWith("glibc")) {
    return "The prebuilt addon is linked against glibc 2.34 or newer; on musl build it from a clone.";
  }
  return exists
    ? "The prebuilt addon needs glibc 2.34 or newer and the libraries that lie beside it."
    : "The package carries addons for linux-x64 only; on another architecture build it from a clone.";
}

/** `glibc 2.36`, or `musl or unknown libc` where Node's report names no glibc. */
function libcName(): string {
  const report = process.report?.getReport() as { header?: { glibcVersionRuntime?: string } } | undefined;
  const version = report?.header?.glibcVersionRuntime;
  return version === undefined ? "musl or unknown libc" : `glibc ${version}`;
}

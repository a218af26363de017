import { existsSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { SystemError } from "../lib/errors.js";

/** Path of the lab's C tool, which lies beside the prebuilt addon; the same from `src` and from `dist`. */
export const labToolPath = fileURLToPath(new URL(`../../prebuilds/linux-${process.arch}/cts-lab`, import.meta.url));

/** Pods find the tool as `cts-lab` on their PATH. */
export const labToolDir = dirname(labToolPath);

/** @throws SystemError `lab-tool-missing` */
export function requireLabTool(): void {
  if (existsSync(labToolPath)) return;
  throw new SystemError("lab-tool-missing", `the lab's tool is not at ${labToolPath}`, {
    hint: `it is built for linux-x64 and linux-arm64; this is ${process.platform}-${process.arch}`,
    nextSteps: ["scripts/build-lab-tool.sh", "npm run build"],
  });
}

import { existsSync } from "node:fs";
import { join } from "node:path";
import { KernelError, NotFoundError, SystemError } from "../lib/errors.js";
import { didYouMean } from "../lib/nearest-name.js";
import { findCgroupMount } from "./cgroup.js";
import { defaultLabName, parseLabName } from "./lab-name.js";
import { type LabPaths, labPaths } from "./lab-paths.js";
import { type LabFile, readLabFile } from "./lab-record-file.js";
import { surveyLabs } from "./lab-survey.js";
import { requireLabTool } from "./lab-tool.js";

/** A lab that exists, with its record. */
export interface OpenLab {
  readonly paths: LabPaths;
  readonly file: LabFile;
}

/** What every command of the lab needs. @throws KernelError `lab-needs-linux`, `lab-needs-root`; SystemError `lab-tool-missing`, `iproute2-missing` */
export function requireLabHost(): void {
  if (process.platform !== "linux")
    throw new KernelError("lab-needs-linux", `a lab needs Linux, and this is ${process.platform}`, {
      nextSteps: ["run it in a Linux virtual machine, or use a cluster"],
    });
  if (process.geteuid?.() !== 0)
    throw new KernelError("lab-needs-root", "a lab makes namespaces and loads BPF programs, which needs root", {
      details: { euid: process.geteuid?.() },
      nextSteps: ["sudo kubectl-cilium_ts lab …"],
    });
  requireLabTool();
  const folders = (process.env.PATH ?? "").split(":");
  if (!folders.some((folder) => existsSync(join(folder, "ip"))))
    throw new SystemError("iproute2-missing", "a lab needs the program ip, and it is not on the PATH", {
      nextSteps: ["apt-get install iproute2"],
    });
}

/** @throws NotFoundError `lab-unknown` with the names of those that exist */
export function openLab(name: string): OpenLab {
  requireLabHost();
  const mount = findCgroupMount();
  const paths = labPaths(parseLabName(name), mount);
  const file = readLabFile(paths.record);
  if (file !== undefined) return { paths, file };
  const labs = surveyLabs(mount);
  if (existsSync(paths.root) || labs.includes(name))
    throw new NotFoundError("lab-broken", `lab ${name} is incomplete: an interrupted command left it behind`, {
      nextSteps: [`kubectl cilium-ts lab down --name ${name}`],
    });
  throw new NotFoundError("lab-unknown", `there is no lab "${name}"${didYouMean(name, labs)}`, {
    hint: labs.length === 0 ? "no lab exists on this machine" : `labs on this machine: ${labs.join(", ")}`,
    nextSteps: [`kubectl cilium-ts lab up --name ${name}`],
  });
}

/** The lab that is meant when none is named: the only one, or else the one called "default". */
export function chooseLabName(named: string | undefined): string {
  requireLabHost();
  if (named !== undefined) return parseLabName(named);
  const labs = surveyLabs(findCgroupMount());
  return labs.length === 1 ? labs[0]! : defaultLabName;
}

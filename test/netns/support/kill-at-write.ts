/**
 * Preloaded into an agent (`--import …?plan=FILE&addon=FILE`): counts what it writes into the kernel and onto disk, and
 * kills it with SIGKILL before the write whose number stands in the plan. The plan is read at the start and again at each
 * SIGUSR2, and taken away once it is read; without one the agent only lives.
 */
import fs from "node:fs";
import { createRequire, syncBuiltinESMExports } from "node:module";

type Methods = Record<string, (...parameters: readonly unknown[]) => unknown>;
type NativeClass = new () => Methods;

/** Writing calls of the addon's classes; loading makes maps and programs. */
const classMethods: Readonly<Record<string, readonly string[]>> = {
  BpfMap: [
    ...["update", "delete", "updateInnerAsync", "updateInnersAsync", "deleteAsync", "updateBatch", "deleteBatch"],
    ...["pin", "freeze"],
  ],
  BpfObject: ["load"],
  BpfProgram: ["pin"],
  BpfLink: [
    ...["attachDevice", "attachCgroup", "attachDeviceAsync", "update", "updateAsync", "detach", "detachAsync", "pin"],
  ],
};
const addonFunctions = ["clsactAttach", "clsactDetach", "clsactDestroy"] as const;
/** A pin is renamed and removed as a file is. */
const fileFunctions = ["renameSync", "rmSync", "unlinkSync", "linkSync", "mkdirSync"] as const;
const promisedFileFunctions = ["rename", "rm", "unlink", "link", "mkdir"] as const;

/** As it is before it counts. */
const takeAway = fs.renameSync;

class Countdown {
  readonly #planPath: string;
  #writesLeft = Number.POSITIVE_INFINITY;

  constructor(planPath: string) {
    this.#planPath = planPath;
  }

  readPlan(): void {
    if (!fs.existsSync(this.#planPath)) return;
    this.#writesLeft = Number(fs.readFileSync(this.#planPath, "utf8"));
    takeAway(this.#planPath, `${this.#planPath}.read`);
  }

  write(): void {
    this.#writesLeft--;
    if (this.#writesLeft === 0) process.kill(process.pid, "SIGKILL");
  }
}

function countCalls(owner: Methods, names: readonly string[], countdown: Countdown): void {
  for (const name of names) {
    const original = owner[name];
    if (original === undefined) throw new Error(`there is no ${name} to count`);
    const counted = function (this: unknown, ...parameters: readonly unknown[]): unknown {
      countdown.write();
      return original.apply(this, [...parameters]);
    };
    // The addon's own methods cannot be assigned to, not even below a class that extends theirs.
    Object.defineProperty(owner, name, { value: counted, writable: true, configurable: true });
  }
}

const { searchParams } = new URL(import.meta.url);
const countdown = new Countdown(searchParams.get("plan") ?? "");
countdown.readPlan();
process.on("SIGUSR2", () => countdown.readPlan());

const addon = createRequire(import.meta.url)(searchParams.get("addon") ?? "") as Record<string, unknown>;
for (const [className, methods] of Object.entries(classMethods)) {
  const Counting = class extends (addon[className] as NativeClass) {};
  countCalls(Counting.prototype, methods, countdown);
  addon[className] = Counting;
}
countCalls(addon as Methods, addonFunctions, countdown);
countCalls(fs as unknown as Methods, fileFunctions, countdown);
countCalls(fs.promises as unknown as Methods, promisedFileFunctions, countdown);
syncBuiltinESMExports();

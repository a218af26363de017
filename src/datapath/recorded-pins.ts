import { existsSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { BpfMap } from "../kernel/bpf-map.js";
import { NEXT_SUFFIX } from "./bpf-folder.js";
import type { Ownership } from "./ownership.js";

/** Pinned maps of one folder, each recorded as ours before its pin is made. */
export class RecordedPins {
  readonly #folder: string;
  readonly #ownership: Ownership;

  constructor(folder: string, ownership: Ownership) {
    this.#folder = folder;
    this.#ownership = ownership;
  }

  /** Undefined where nothing is pinned. */
  open(name: string): BpfMap | undefined {
    const path = this.#path(name);
    return existsSync(path) ? BpfMap.openPinned(path) : undefined;
  }

  /** Pins a filled map beside the one whose place it is to take, or under its name where there is none. */
  stage(name: string, map: BpfMap): void {
    const isFirst = !existsSync(this.#path(name));
    const staged = isFirst ? name : name + NEXT_SUFFIX;
    this.#ownership.record("map", staged, map.info.id);
    rmSync(this.#path(staged), { force: true });
    map.pin(this.#path(staged));
  }

  /** What was staged takes the name: who opens it by path finds the old map or the new one, never none. */
  settle(name: string, map: BpfMap): void {
    const staged = name + NEXT_SUFFIX;
    if (!existsSync(this.#path(staged))) return;
    renameSync(this.#path(staged), this.#path(name));
    this.#ownership.record("map", name, map.info.id);
    this.#ownership.forget("map", staged);
  }

  /** Absence is not an error. */
  remove(name: string): void {
    for (const pin of [name, name + NEXT_SUFFIX]) {
      if (!existsSync(this.#path(pin))) continue;
      rmSync(this.#path(pin));
      this.#ownership.forget("map", pin);
    }
  }

  #path(name: string): string {
    return join(this.#folder, name);
  }
}

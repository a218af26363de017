import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Interfaces come and go with pods; an index that nobody knows is looked for no more often than this. */
const refreshMs = 1000;

/** Names of a node's interfaces by index, as the sysfs of the node's root shows them. */
export class InterfaceNames {
  readonly #folder: string;
  readonly #now: () => number;
  #names: ReadonlyMap<number, string> = new Map();
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(root: string, now: () => number = Date.now) {
    this.#folder = join(root, "sys/class/net");
    this.#now = now;
  }

  /** Undefined when there is no such interface. */
  nameOf(index: number): string | undefined {
    const known = this.#names.get(index);
    if (known !== undefined || this.#now() - this.#readAtMs < refreshMs) return known;
    this.#names = this.#read();
    this.#readAtMs = this.#now();
    return this.#names.get(index);
  }

  #read(): ReadonlyMap<number, string> {
    return new Map(namesIn(this.#folder).map((name) => [readIndex(join(this.#folder, name, "ifindex")), name]));
  }
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    // Events are shown without names then.
    return [];
  }
}

/** 0, which no interface has, where the file is gone: so is the interface. */
function readIndex(path: string): number {
  try {
    return Number(readFileSync(path, "utf8"));
  } catch {
    return 0;
  }
}

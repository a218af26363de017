import type { DatapathPort, IpcacheEntry } from "../../model/datapath-port.js";

/**
 * Writes the desired ipcache: the first time by comparing it with the kernel's map, afterwards by comparing it with what was
 * desired before, because reading the whole map for each pod of the cluster that comes or goes costs more than all the rest.
 */
export class IpcacheWriter {
  readonly #datapath: Pick<DatapathPort, "writeIpcache" | "updateIpcache">;
  /** Undefined: nobody knows what the map holds. */
  #written: ReadonlyMap<string, IpcacheEntry> | undefined;

  constructor(datapath: Pick<DatapathPort, "writeIpcache" | "updateIpcache">) {
    this.#datapath = datapath;
  }

  write(desired: readonly IpcacheEntry[]): void {
    const next = new Map(desired.map((entry) => [entry.prefix.text, entry]));
    const before = this.#written;
    this.#written = undefined;
    if (before === undefined) this.#datapath.writeIpcache(desired);
    else {
      const upserted = desired.filter((entry) => !isSame(before.get(entry.prefix.text), entry));
      const removed = [...before.values()].filter(({ prefix }) => !next.has(prefix.text)).map(({ prefix }) => prefix);
      if (upserted.length + removed.length > 0) this.#datapath.updateIpcache({ upserted, removed });
    }
    this.#written = next;
  }
}

function isSame(before: IpcacheEntry | undefined, after: IpcacheEntry): boolean {
  return before?.identity === after.identity && before.tunnelEndpoint?.text === after.tunnelEndpoint?.text;
}

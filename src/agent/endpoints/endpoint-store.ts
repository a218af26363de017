import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join } from "node:path";
import { writeFileAtomic } from "../../lib/atomic-file.js";
import { type EndpointRecord, parseEndpointRecord } from "./endpoint-record.js";

export interface LoadedEndpoints {
  readonly records: readonly EndpointRecord[];
  /** Files that hold no record, put aside as `<id>.json.bad`: their endpoints are left alone in the kernel. */
  readonly unreadable: readonly { readonly endpointId: number; readonly reason: string }[];
}

/** Endpoint records as files `<run-dir>/endpoints/<id>.json`, each replaced by an atomic rename. */
export class EndpointStore {
  readonly #folder: string;

  constructor(runDir: string) {
    this.#folder = join(runDir, "endpoints");
  }

  async load(): Promise<LoadedEndpoints> {
    await mkdir(this.#folder, { recursive: true });
    const names = await readdir(this.#folder);
    // Drafts of writes that a kill cut short.
    await Promise.all(names.filter((name) => name.endsWith(".tmp")).map((name) => rm(join(this.#folder, name))));
    const results = await Promise.all(
      names.filter((name) => /^\d+\.json(\.bad)?$/.test(name)).map((name) => this.#loadFile(name)),
    );
    return {
      records: results.flatMap((result) => ("record" in result ? [result.record] : [])),
      unreadable: results.flatMap((result) => ("record" in result ? [] : [result])),
    };
  }

  async #loadFile(name: string): Promise<{ record: EndpointRecord } | { endpointId: number; reason: string }> {
    const path = join(this.#folder, name);
    const endpointId = Number.parseInt(name, 10);
    if (name.endsWith(".bad")) return { endpointId, reason: `${path} was put aside by a former run` };
    try {
      const record = parseEndpointRecord(await readFile(path, "utf8"), path);
      if (record.endpointId === endpointId) return { record };
      throw new Error(`${path} speaks of endpoint ${record.endpointId}`);
    } catch (error) {
      await rename(path, `${path}.bad`);
      return { endpointId, reason: error instanceof Error ? error.message : String(error) };
    }
  }

  async save(record: EndpointRecord): Promise<void> {
    await writeFileAtomic(this.#path(record.endpointId), `${JSON.stringify(record)}\n`);
  }

  async delete(endpointId: number): Promise<void> {
    await rm(this.#path(endpointId), { force: true });
  }

  #path(endpointId: number): string {
    return join(this.#folder, `${endpointId}.json`);
  }
}

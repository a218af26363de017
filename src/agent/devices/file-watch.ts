import { type FSWatcher, watch } from "node:fs";
import { dirname } from "node:path";

/** Tells of changes of a file by its folder: a mounted ConfigMap is replaced by renaming a link beside it. */
export class FileWatch implements Disposable {
  readonly #watcher: FSWatcher | undefined;

  constructor(path: string, onChange: () => void) {
    try {
      this.#watcher = watch(dirname(path), { persistent: false }, onChange);
      this.#watcher.on("error", () => {});
    } catch {
      // Without its folder there is no file, and the agent's next start looks again.
    }
  }

  [Symbol.dispose](): void {
    this.#watcher?.close();
  }
}

import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ownPrefix } from "./own-names.js";

/** A folder of the test's own with a BPF file system in it; both are gone after dispose. */
export class TestFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), `${ownPrefix}-`));
  readonly bpffs = join(this.path, "bpffs");
  /** Where upstream pins its maps. */
  readonly maps = join(this.bpffs, "tc", "globals");

  constructor() {
    mkdirSync(this.bpffs);
    execFileSync("mount", ["-t", "bpf", "cts-t", this.bpffs]);
    mkdirSync(this.maps, { recursive: true });
  }

  [Symbol.dispose](): void {
    spawnSync("umount", ["-l", this.bpffs]);
    rmSync(this.path, { recursive: true, force: true });
  }
}

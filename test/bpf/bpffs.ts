import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A BPF file system of a test's own. */
export class TestBpffs implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "cts-t-bpffs-"));
  readonly maps = join(this.path, "tc", "globals");

  constructor() {
    execFileSync("mount", ["-t", "bpf", "cts-t", this.path]);
    mkdirSync(this.maps, { recursive: true });
  }

  [Symbol.dispose](): void {
    execFileSync("umount", ["--lazy", this.path]);
    rmSync(this.path, { recursive: true });
  }
}

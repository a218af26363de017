import { fileURLToPath } from "node:url";

/** A compiled object of `bpf/` that this layer uses itself: the same relative place from src/ and from dist/. */
export function toolObjectPath(name: string): string {
  return fileURLToPath(new URL(`../../bpf/build/${name}.bpf.o`, import.meta.url));
}

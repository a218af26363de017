import type { LineCounter, Range } from "yaml";

export interface ManifestFile {
  /** As the user named it. */
  readonly path: string;
  readonly text: string;
}

/** A sentence about one place of a file. */
export interface ManifestProblem {
  readonly path: string;
  /** Counted from 1, as `column`. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** `shop.yaml:12:7: unknown field …`, as compilers and editors write it. */
export function formatManifestProblem({ path, line, column, message }: ManifestProblem): string {
  return `${path}:${line}:${column}: ${message}`;
}

/** Anything with a place in the text: nodes of the YAML tree and its pairs' keys. */
export interface Placed {
  readonly range?: Range | null | undefined;
}

/** Collects what is wrong with one file, and what of it has no effect. */
export class ProblemCollector {
  readonly problems: ManifestProblem[] = [];
  readonly notes: ManifestProblem[] = [];
  readonly #path: string;
  readonly #lines: LineCounter;

  constructor(path: string, lines: LineCounter) {
    this.#path = path;
    this.#lines = lines;
  }

  report(place: Placed | undefined, message: string): void {
    this.problems.push(this.#at(place?.range?.[0] ?? 0, message));
  }

  reportAt(offset: number, message: string): void {
    this.problems.push(this.#at(offset, message));
  }

  note(place: Placed | undefined, message: string): void {
    this.notes.push(this.#at(place?.range?.[0] ?? 0, message));
  }

  place(place: Placed | undefined): { readonly path: string; readonly line: number; readonly column: number } {
    const { path, line, column } = this.#at(place?.range?.[0] ?? 0, "");
    return { path, line, column };
  }

  #at(offset: number, message: string): ManifestProblem {
    const { line, col } = this.#lines.linePos(offset);
    return { path: this.#path, line: Math.max(1, line), column: Math.max(1, col), message };
  }
}

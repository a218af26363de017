export interface TabwriterOptions {
  /** Least width of a column, padding included: 5 in upstream's `bpf`, service and endpoint lists, 2 in identity and node lists. */
  readonly minWidth: number;
  /** Blanks after the widest cell. */
  readonly padding: number;
}

/**
 * Go's `text/tabwriter` with blanks as padding. A cell belongs to a column only when a tab ends it; what follows the
 * last tab of a line is not aligned. A column is as wide as its cells in the lines that directly follow each other.
 * @param lines each without its newline
 */
export function alignTabs(lines: readonly string[], options: TabwriterOptions): string {
  const cells = lines.map((line) => line.split("\t"));
  const output: string[] = new Array<string>(lines.length).fill("");
  alignBlock({ cells, output, options }, 0, lines.length, 0);
  return lines.length === 0 ? "" : `${output.map((line, i) => line + cells[i]!.at(-1)!).join("\n")}\n`;
}

interface Block {
  readonly cells: readonly (readonly string[])[];
  readonly output: string[];
  readonly options: TabwriterOptions;
}

/** Pads column `column` of the lines from `start` to `end`, run by run, and within each run the columns right of it. */
function alignBlock(block: Block, start: number, end: number, column: number): void {
  const { cells, output, options } = block;
  let first = start;
  while (first < end) {
    if (!hasCell(cells[first]!, column)) {
      first++;
      continue;
    }
    let last = first;
    let width = options.minWidth;
    while (last < end && hasCell(cells[last]!, column)) {
      width = Math.max(width, runeCount(cells[last]![column]!) + options.padding);
      last++;
    }
    for (let line = first; line < last; line++) {
      const cell = cells[line]![column]!;
      output[line] += cell + " ".repeat(width - runeCount(cell));
    }
    alignBlock(block, first, last, column + 1);
    first = last;
  }
}

function hasCell(line: readonly string[], column: number): boolean {
  return column < line.length - 1;
}

function runeCount(text: string): number {
  let count = text.length;
  // The second half of what UTF-16 writes as two.
  for (let i = 0; i < text.length; i++) if ((text.charCodeAt(i) & 0xfc00) === 0xdc00) count--;
  return count;
}

import {
  type Filter,
  type JsonPath,
  jsonPathError,
  type Operand,
  type Path,
  type PathStep,
  type TemplateNode,
} from "./jsonpath.js";

/**
 * Reads a template. Without any brace it is taken as one path (`.items[*].node`).
 * @throws UsageError `jsonpath-syntax` with the position
 */
export function parseJsonPath(text: string): JsonPath {
  if (text.trim() === "") throw jsonPathError("the template is empty", text, 0);
  const template = text.includes("{") ? text : `{${text}}`;
  const { nodes, offset } = parseNodes(template, 0, false);
  if (offset < template.length) throw jsonPathError("{end} without {range}", template, offset);
  return nodes;
}

/** Reads a single path such as `.source.port`, without braces. @throws UsageError `jsonpath-syntax` */
export function parsePath(text: string): Path {
  const scanner = new Scanner(text, 0);
  const path = parsePathAt(scanner, "root");
  scanner.skipBlanks();
  if (!scanner.atEnd) throw scanner.error("unexpected text");
  return path;
}

function parseNodes(text: string, start: number, isInRange: boolean): { nodes: TemplateNode[]; offset: number } {
  const nodes: TemplateNode[] = [];
  let offset = start;
  while (offset < text.length) {
    const open = text.indexOf("{", offset);
    if (open !== offset) nodes.push({ kind: "text", text: text.slice(offset, open < 0 ? text.length : open) });
    if (open < 0) {
      offset = text.length;
      break;
    }
    const scanner = new Scanner(text, open + 1);
    scanner.skipBlanks();
    if (scanner.takeWord("end")) {
      if (!isInRange) return { nodes, offset: open };
      return { nodes, offset: scanner.takeClosingBrace() };
    }
    offset = parseBlock(scanner, nodes, isInRange);
  }
  if (isInRange) throw jsonPathError("{range} without {end}", text, start);
  return { nodes, offset };
}

/** Reads what stands between braces, and for a range everything up to its end. Returns the offset behind it. */
function parseBlock(scanner: Scanner, nodes: TemplateNode[], isInRange: boolean): number {
  if (scanner.takeWord("range")) {
    scanner.skipBlanks();
    const path = parsePathAt(scanner, isInRange ? "current" : "root");
    const { nodes: body, offset } = parseNodes(scanner.text, scanner.takeClosingBrace(), true);
    nodes.push({ kind: "range", path, body });
    return offset;
  }
  do {
    const quote = scanner.peek();
    if (quote === '"' || quote === "'") nodes.push({ kind: "text", text: scanner.takeString() });
    else nodes.push({ kind: "path", path: parsePathAt(scanner, isInRange ? "current" : "root") });
    scanner.skipBlanks();
  } while (!scanner.atEnd && scanner.peek() !== "}");
  return scanner.takeClosingBrace();
}

function parsePathAt(scanner: Scanner, start: Path["from"]): Path {
  let from = start;
  if (scanner.take("$")) from = "root";
  else if (scanner.take("@")) from = "current";
  else if (scanner.peek() !== "." && scanner.peek() !== "[") throw scanner.error("a path starts with a dot, $ or @");
  const steps: PathStep[] = [];
  for (;;) {
    if (scanner.take("..")) steps.push({ kind: "descend" }, ...parseName(scanner));
    else if (scanner.take(".")) steps.push(...parseName(scanner));
    else if (scanner.take("[")) steps.push(parseBracket(scanner));
    else return { from, steps };
  }
}

/** What follows a dot: a name, `*`, a bracket, or nothing (`{.}` is the value itself). */
function parseName(scanner: Scanner): readonly PathStep[] {
  if (scanner.take("*")) return [{ kind: "wildcard" }];
  const name = scanner.takePattern(/(?:[^\s.,[\]$@{}()=!<>'"\\]|\\.)+/y);
  return name === undefined ? [] : [{ kind: "field", names: [name.replace(/\\(.)/g, "$1")] }];
}

function parseBracket(scanner: Scanner): PathStep {
  scanner.skipBlanks();
  if (scanner.take("*")) return closeBracket(scanner, { kind: "wildcard" });
  if (scanner.take("?(")) {
    const filter = parseFilter(scanner);
    if (!scanner.take(")")) throw scanner.error('")" expected');
    return closeBracket(scanner, { kind: "filter", filter });
  }
  if (scanner.peek() === "'" || scanner.peek() === '"') {
    return closeBracket(scanner, { kind: "field", names: takeList(scanner, () => scanner.takeString()) });
  }
  const slice = scanner.takePattern(/-?\d*:-?\d*(?::\d+)?/y);
  if (slice !== undefined) return closeBracket(scanner, toSlice(scanner, slice));
  return closeBracket(scanner, { kind: "index", indexes: takeList(scanner, () => takeInteger(scanner)) });
}

function toSlice(scanner: Scanner, text: string): PathStep {
  const [start = "", end = "", step = "1"] = text.split(":");
  if (Number(step) < 1) throw scanner.error("a slice steps by 1 or more");
  return {
    kind: "slice",
    step: Number(step),
    ...(start === "" ? {} : { start: Number(start) }),
    ...(end === "" ? {} : { end: Number(end) }),
  };
}

function takeInteger(scanner: Scanner): number {
  const digits = scanner.takePattern(/-?\d+/y);
  if (digits === undefined) throw scanner.error("a number, a quoted name, * or ?( ) expected");
  return Number(digits);
}

function takeList<T>(scanner: Scanner, takeOne: () => T): T[] {
  const list = [takeOne()];
  scanner.skipBlanks();
  while (scanner.take(",")) {
    scanner.skipBlanks();
    list.push(takeOne());
    scanner.skipBlanks();
  }
  return list;
}

function closeBracket(scanner: Scanner, step: PathStep): PathStep {
  scanner.skipBlanks();
  if (!scanner.take("]")) throw scanner.error('"]" expected');
  return step;
}

function parseFilter(scanner: Scanner): Filter {
  const left = parseOperand(scanner);
  scanner.skipBlanks();
  const operator = (["==", "!=", "<=", ">=", "<", ">"] as const).find((candidate) => scanner.take(candidate));
  if (operator === undefined) return { left };
  const right = parseOperand(scanner);
  scanner.skipBlanks();
  return { left, operator, right };
}

function parseOperand(scanner: Scanner): Operand {
  scanner.skipBlanks();
  const next = scanner.peek();
  if (next === "'" || next === '"') return { literal: scanner.takeString() };
  const number = scanner.takePattern(/-?\d+(?:\.\d+)?/y);
  if (number !== undefined) return { literal: Number(number) };
  for (const [word, literal] of [
    ["true", true],
    ["false", false],
    ["null", null],
  ] as const) {
    if (scanner.takeWord(word)) return { literal };
  }
  return { path: parsePathAt(scanner, "current") };
}

/** A position in a text. */
class Scanner {
  readonly text: string;
  #offset: number;

  constructor(text: string, offset: number) {
    this.text = text;
    this.#offset = offset;
  }

  get atEnd(): boolean {
    return this.#offset >= this.text.length;
  }

  peek(): string {
    return this.text.charAt(this.#offset);
  }

  error(message: string): Error {
    return jsonPathError(this.atEnd ? `${message}, but the text ends` : message, this.text, this.#offset);
  }

  skipBlanks(): void {
    while (this.peek() === " " || this.peek() === "\t" || this.peek() === "\n") this.#offset++;
  }

  take(token: string): boolean {
    if (!this.text.startsWith(token, this.#offset)) return false;
    this.#offset += token.length;
    return true;
  }

  /** Takes `word` when no letter, digit or dash follows. */
  takeWord(word: string): boolean {
    if (!this.text.startsWith(word, this.#offset)) return false;
    if (/[\p{L}\p{N}_-]/u.test(this.text.charAt(this.#offset + word.length))) return false;
    this.#offset += word.length;
    return true;
  }

  /** @param pattern sticky */
  takePattern(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#offset;
    const found = pattern.exec(this.text)?.[0];
    if (found === undefined || found === "") return undefined;
    this.#offset += found.length;
    return found;
  }

  takeString(): string {
    const quote = this.peek();
    if (quote !== "'" && quote !== '"') throw this.error("a quoted text expected");
    const start = ++this.#offset;
    let value = "";
    while (!this.atEnd && this.peek() !== quote) {
      const char = this.text.charAt(this.#offset++);
      value += char === "\\" ? unescapeChar(this.text.charAt(this.#offset++)) : char;
    }
    if (this.atEnd) throw jsonPathError("the quoted text has no end", this.text, start - 1);
    this.#offset++;
    return value;
  }

  takeClosingBrace(): number {
    this.skipBlanks();
    if (!this.take("}")) throw this.error('"}" expected');
    return this.#offset;
  }
}

function unescapeChar(char: string): string {
  const known: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r" };
  return known[char] ?? char;
}

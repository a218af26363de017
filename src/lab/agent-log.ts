import { closeSync, openSync, readSync, statSync } from "node:fs";

const TAIL_BYTES = 8_192;

function lastLines(path: string): readonly string[] {
  const { size } = statSync(path, { throwIfNoEntry: false }) ?? { size: 0 };
  if (size === 0) return [];
  const tail = Buffer.alloc(Math.min(size, TAIL_BYTES));
  const file = openSync(path, "r");
  try {
    readSync(file, tail, 0, tail.length, size - tail.length);
  } finally {
    closeSync(file);
  }
  return tail.toString("utf8").trimEnd().split("\n");
}

/** The message of a line of JSON, or the line. */
function messageOf(line: string): string {
  try {
    const { msg, err } = JSON.parse(line) as { readonly msg?: string; readonly err?: { readonly message?: string } };
    return [msg, err?.message].filter((part) => part !== undefined).join(": ");
  } catch {
    return line.slice(0, 300);
  }
}

/** What an agent said last, in words, oldest first. */
export function lastAgentMessages(path: string, count: number): readonly string[] {
  return lastLines(path).slice(-count).map(messageOf);
}

/** Why an agent ended: the report of its error, or what it said last. */
export function lastAgentMessage(path: string): string {
  const lines = lastLines(path);
  // An error report ends with what to do next; its first line is the one that says what happened.
  const line = [...lines].reverse().find((text) => text.startsWith("Error:")) ?? lines.at(-1) ?? "";
  return messageOf(line);
}

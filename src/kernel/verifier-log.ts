/** What libbpf printed while it loaded an object, reduced to what a reader needs. */
export interface LoadLog {
  /** The refused program. */
  readonly program: string | undefined;
  /** The end of the verifier's log: the failing instruction, the register state before it, the reason. */
  readonly verifierLog: string | undefined;
  /** The one line that says most: the verifier's last word, or libbpf's first complaint. */
  readonly reason: string | undefined;
}

const keepLines = 40;
const statisticsLine = /^(processed \d+ insns|verification time \d+|stack depth |insns? processed)/;

/** Consequences of the failure that libbpf prints behind its cause. */
const consequence = /^(failed to load|-- |prog '[^']+': (-- |failed to load))/;

/** Cuts libbpf's output to the program that failed and the tail of its verifier log. */
export function parseLoadLog(text: string): LoadLog {
  const begin = text.lastIndexOf("-- BEGIN PROG LOAD LOG --");
  if (begin < 0) {
    const lines = text.split("\n").map((line) => line.replace(/^libbpf: /, "").trim());
    const reason = lines.find((line) => line !== "" && !consequence.test(line));
    return { program: /prog '([^']+)'/.exec(text)?.[1], verifierLog: undefined, reason };
  }
  const heading = text.slice(text.lastIndexOf("\n", begin) + 1, begin);
  const end = text.indexOf("-- END PROG LOAD LOG --", begin);
  const body = text.slice(text.indexOf("\n", begin) + 1, end < 0 ? undefined : end);
  const lines = body.split("\n").filter((line) => line.trim() !== "" && !statisticsLine.test(line));
  const cut =
    lines.length > keepLines ? [`… ${lines.length - keepLines} lines before`, ...lines.slice(-keepLines)] : lines;
  return { program: /prog '([^']+)'/.exec(heading)?.[1], verifierLog: cut.join("\n"), reason: lines.at(-1)?.trim() };
}

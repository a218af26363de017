import { firstDropReason, reasons } from "../../abi/drop-reasons.js";
import { UsageError } from "../../lib/errors.js";
import { didYouMean } from "../../lib/nearest-name.js";

/**
 * The codes that words for drop reasons mean: a code itself, upstream's text in any case, its name in the source. Some texts
 * stand for two codes.
 * @throws UsageError `unknown-drop-reason`
 */
export function dropReasonCodes(words: readonly string[]): readonly number[] {
  return words.flatMap(codesOf);
}

function codesOf(word: string): readonly number[] {
  if (/^\d+$/.test(word)) return [Number(word)];
  const wanted = word.toLowerCase();
  const found = reasons.filter(({ text, name }) => text.toLowerCase() === wanted || name.toLowerCase() === wanted);
  if (found.length > 0) return found.map(({ code }) => code);
  const known = reasons.filter(({ code, text }) => code >= firstDropReason && text !== "").map(({ text }) => text);
  throw new UsageError("unknown-drop-reason", `nothing is dropped for "${word}"${didYouMean(word, known)}`, {
    hint: `reasons are ${known.slice(2, 6).join(", ")} … or their codes`,
  });
}

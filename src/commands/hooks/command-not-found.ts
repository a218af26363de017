import { Errors, type Hook } from "#oclif";
import { ExitCode } from "../../lib/errors.js";
import { editDistance } from "../../lib/nearest-name.js";

/** An unknown command names its nearest neighbours and exits 2, like every other misuse. */
const hook: Hook<"command_not_found"> = async ({ id, argv, config }) => {
  const known = config.commands
    .filter((command) => command.hidden !== true)
    .map((command) => command.id.replaceAll(":", " "))
    .sort();
  // oclif hands over the words up to the last that matched a topic as id, the others as argv. Behind the first flag
  // comes its value, which is no word of the command.
  const rest = argv ?? [];
  const firstFlag = rest.findIndex((word) => word.startsWith("-"));
  const words = [...id.split(":"), ...(firstFlag < 0 ? rest : rest.slice(0, firstFlag))];
  const lines = [`Error: "${words.join(" ")}" is not a command of ${config.bin}`];
  const candidates = nearestCommands(words, known);
  if (candidates.length > 0) lines.push("Did you mean:", ...candidates.map((name) => `  ${config.bin} ${name}`));
  lines.push(`Next: ${config.bin} --help`);
  process.stderr.write(`${lines.join("\n")}\n`);
  throw new Errors.ExitError(ExitCode.usage);
};

/** At most four commands: near in spelling, or with the same first words. */
function nearestCommands(words: readonly string[], known: readonly string[]): readonly string[] {
  const typed = words.join(" ").toLowerCase();
  return known
    .map((name) => {
      const length = name.split(" ").length;
      const distance = editDistance(words.slice(0, length).join(" ").toLowerCase(), name);
      const isNear = distance <= Math.max(1, Math.floor(name.length / 3));
      const isSibling = name.startsWith(
        `${typed
          .split(" ")
          .slice(0, Math.max(1, length - 1))
          .join(" ")} `,
      );
      return { name, rank: isNear ? distance : isSibling ? 100 + distance : Number.POSITIVE_INFINITY };
    })
    .filter(({ rank }) => rank !== Number.POSITIVE_INFINITY)
    .sort((a, b) => a.rank - b.rank)
    .slice(0, 4)
    .map(({ name }) => name);
}

export default hook;

import { execute } from "#oclif";

/** The reader of a pipe went away (EPIPE), or the terminal (EIO): a command ends quietly then. */
const readerIsGone = ["EPIPE", "EIO"];

function endOnLostOutput(error) {
  if (readerIsGone.includes(error.code)) return;
  process.stderr.write(`Error: writing the output failed: ${error.message}\n`);
  process.exit(1);
}

/** Runs the command line `args`. No plugins of a user's: nothing outside of this package is looked for, whoever runs it. */
export async function run(args) {
  // The library's own listener throws whatever is no EPIPE: a full disk would end in a stack trace.
  process.stdout.removeAllListeners("error");
  for (const stream of [process.stdout, process.stderr]) stream.on("error", endOnLostOutput);
  await execute({ loadOptions: { root: import.meta.dirname, userPlugins: false }, args });
}

/** How this very program was started, so that it can start itself: the interpreter, its options, and the entry script. */
export function ownCommandLine(): readonly string[] {
  const script = process.argv[1];
  if (script === undefined) throw new Error("started without a script");
  return [process.execPath, ...process.execArgv, script];
}

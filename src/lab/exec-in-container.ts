import { labToolPath } from "./lab-tool.js";
import type { ProbeResult } from "./prober.js";
import type { ProcessId } from "./process-table.js";
import { runCommand } from "./run-command.js";

/** The tool's argv that runs a command inside a container, or a node, next to `target`. */
export function enterArgs(options: {
  readonly target: ProcessId;
  readonly cgroup: string;
  readonly workingDir?: string | undefined;
  readonly command: readonly string[];
}): readonly string[] {
  const directory = options.workingDir === undefined ? [] : ["--workdir", options.workingDir];
  const { target, cgroup, command } = options;
  return ["enter", "--cgroup", cgroup, "--target", String(target.pid), ...directory, "--", ...command];
}

/** An exec probe: success is exit code 0 within the time. */
export async function probeByExec(
  target: ProcessId,
  cgroup: string,
  command: readonly string[],
  timeoutMs: number,
): Promise<ProbeResult> {
  const signal = AbortSignal.timeout(timeoutMs);
  try {
    const result = await runCommand(labToolPath, enterArgs({ target, cgroup, command }), { signal });
    const said = (result.stderr || result.stdout).trim().slice(0, 200);
    return { isSuccess: result.exitCode === 0, message: `exit code ${result.exitCode}: ${said}` };
  } catch (error) {
    if (signal.aborted) return { isSuccess: false, message: `no end within ${timeoutMs} ms` };
    throw error;
  }
}

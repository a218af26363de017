import { execFileSync, spawnSync } from "node:child_process";
import { join } from "node:path";
import { compileBpf } from "../support/compile-bpf.js";
import { ownPrefix } from "../support/own-names.js";

const here = import.meta.dirname;
export const repositoryRoot = join(here, "../..");

/** Compiles test/native/fixtures/<name>.bpf.c and returns the object's path in `folder`. */
export function compileFixture(name: string, folder: string): string {
  return compileBpf(join(here, "fixtures", `${name}.bpf.c`), folder);
}

/** A network namespace with a veth pair (`left`, `right`), both up. */
export class TestNetns implements Disposable {
  readonly name = `${ownPrefix}-${Math.trunc(performance.now())}`;

  constructor() {
    execFileSync("ip", ["netns", "add", this.name]);
    try {
      // No neighbour discovery: tests count the packets that they send.
      this.exec("sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/disable_ipv6");
      this.exec("ip", "link", "set", "lo", "up");
      this.exec("ip", "link", "add", "left", "address", "02:00:00:00:00:01", "type", "veth", "peer", "name", "right");
      for (const device of ["left", "right"]) this.exec("ip", "link", "set", device, "up");
    } catch (error) {
      this[Symbol.dispose]();
      throw error;
    }
  }

  exec(...command: readonly string[]): string {
    return execFileSync("ip", ["netns", "exec", this.name, ...command], { encoding: "utf8" });
  }

  [Symbol.dispose](): void {
    spawnSync("ip", ["netns", "del", this.name]);
  }
}

export interface ChildOutcome {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs test/native/children/<name>.ts in a process of its own, behind `prefix` (`ip netns exec …`, `setpriv …`). */
export function runChild(
  name: string,
  options: {
    readonly args?: readonly string[];
    readonly prefix?: readonly string[];
    readonly nodeFlags?: readonly string[];
    readonly env?: Readonly<Record<string, string>>;
    readonly timeoutMs?: number;
  } = {},
): ChildOutcome {
  const [command = "", ...args] = [
    ...(options.prefix ?? []),
    process.execPath,
    ...(options.nodeFlags ?? []),
    ...["--import", "tsx", join(here, "children", `${name}.ts`)],
    ...(options.args ?? []),
  ];
  const outcome = spawnSync(command, args, {
    cwd: repositoryRoot,
    encoding: "utf8",
    timeout: options.timeoutMs ?? 60_000,
    env: { ...process.env, NODE_OPTIONS: "", ...options.env },
  });
  return { status: outcome.status, signal: outcome.signal, stdout: outcome.stdout, stderr: outcome.stderr };
}

/** The JSON that a child printed; fails with its stderr when it did not end well. */
export function runChildForJson<T>(name: string, options: Parameters<typeof runChild>[1] = {}): T {
  const outcome = runChild(name, options);
  if (outcome.status !== 0) {
    throw new Error(
      `child ${name} ended with ${outcome.status ?? outcome.signal}:\n${outcome.stderr}${outcome.stdout}`,
    );
  }
  return JSON.parse(outcome.stdout) as T;
}

/** What `call` throws; fails the test when it does not. */
export function thrownBy(call: () => unknown): unknown {
  try {
    call();
  } catch (error) {
    return error;
  }
  throw new Error("expected an error, but the call returned");
}

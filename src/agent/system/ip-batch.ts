import { runCommand } from "./run-command.js";

/** One interface as `ip -j link show` prints it; fields that the agent reads. */
export interface LinkFacts {
  readonly ifindex: number;
  readonly ifname: string;
  readonly mtu: number;
  readonly address?: string;
  readonly operstate?: string;
  readonly flags?: readonly string[];
  readonly addr_info?: readonly { readonly family: string; readonly local: string; readonly prefixlen: number }[];
}

/**
 * iproute2 in batch mode: one process for many steps (a process costs some 3 ms, a step some µs). The first step that
 * fails ends the batch. With `netnsPath` the batch runs inside that network namespace: through nsenter, because `ip -n`
 * also makes a mount namespace and mounts a /sys, which costs more than the batch itself.
 */
export async function runIpBatch(
  lines: readonly string[],
  options: { readonly netnsPath?: string } = {},
): Promise<string> {
  const enter = options.netnsPath === undefined ? [] : ["nsenter", `--net=${options.netnsPath}`, "--"];
  const { stdout } = await runCommand([...enter, "ip", "-j", "-batch", "-"], `${lines.join("\n")}\n`);
  return stdout;
}

/** Links of this network namespace, or of another; with their addresses. */
export async function listLinks(options: { readonly netnsPath?: string } = {}): Promise<readonly LinkFacts[]> {
  const stdout = await runIpBatch(["address show"], options);
  return stdout.trim() === "" ? [] : (JSON.parse(stdout) as LinkFacts[]);
}

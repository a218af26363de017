import { runCommand } from "./run-command.js";

/** One interface as `ip -j link show` prints it; fields that the agent reads. */
export interface LinkFacts {
  readonly ifindex: number;
  readonly ifname: string;
  readonly mtu: number;
  readonly address?: string;
  readonly operstate?: string;
  readonly flags?: readonly string[];
  /** Name of the bridge or bond that it is a port of. */
  readonly master?: string;
  /** With details only. */
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly {
    readonly family: string;
    readonly local: string;
    readonly prefixlen: number;
    readonly scope?: string;
  }[];
}

/**
 * iproute2 in batch mode: one process for many steps (a process costs some 3 ms, a step some µs). The first step that
 * fails ends the batch. With `netnsPath` the batch runs inside that network namespace: through nsenter, because `ip -n`
 * also makes a mount namespace and mounts a /sys, which costs more than the batch itself. `family` is needed where a step
 * names no address, as "route show".
 */
export async function runIpBatch(
  lines: readonly string[],
  options: { readonly netnsPath?: string; readonly family?: 4 | 6; readonly details?: boolean } = {},
): Promise<string> {
  const enter = options.netnsPath === undefined ? [] : ["nsenter", `--net=${options.netnsPath}`, "--"];
  const flags = [...(options.details === true ? ["-d"] : []), ...(options.family === 6 ? ["-6"] : [])];
  const { stdout } = await runCommand([...enter, "ip", ...flags, "-j", "-batch", "-"], `${lines.join("\n")}\n`);
  return stdout;
}

/** Links of this network namespace, or of another; with their addresses. */
export async function listLinks(
  options: { readonly netnsPath?: string; readonly details?: boolean } = {},
): Promise<readonly LinkFacts[]> {
  const stdout = await runIpBatch(["address show"], options);
  return stdout.trim() === "" ? [] : (JSON.parse(stdout) as LinkFacts[]);
}

/** A route as `ip -j route show` prints it; fields that the agent reads. */
export interface RouteFacts {
  readonly dst: string;
  readonly dev?: string;
  readonly gateway?: string;
  readonly prefsrc?: string;
  readonly protocol?: string;
  readonly metrics?: readonly { readonly mtu?: number }[];
}

/** Routes of the main table of one family. */
export async function listRoutes(family: 4 | 6): Promise<readonly RouteFacts[]> {
  const stdout = await runIpBatch(["route show table main"], { family });
  return stdout.trim() === "" ? [] : (JSON.parse(stdout) as RouteFacts[]);
}

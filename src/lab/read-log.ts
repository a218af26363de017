import { existsSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { NotFoundError } from "../lib/errors.js";
import { sleep } from "../lib/time.js";
import { findNode } from "./find-node.js";
import { findContainer, findPod } from "./find-pod.js";
import type { OpenLab } from "./lab-access.js";
import { containerPaths, podDir } from "./lab-paths.js";
import { podRefOf } from "./pod-ref.js";

export interface LogOptions {
  /** A pod, `agent/<node>` (also `node/<node>`), or `supervisor`. */
  readonly target: string;
  readonly namespace?: string | undefined;
  readonly container?: string | undefined;
  readonly follow: boolean;
  /** Only the last lines. */
  readonly tail?: number | undefined;
  readonly signal: AbortSignal;
}

const CHUNK_BYTES = 64 * 1024;
const FOLLOW_MS = 100;

/** The log in pieces, as it is on disk; with `follow` until the signal aborts. @throws NotFoundError `no-log`, `node-unknown`, `pod-unknown` */
export async function* readLabLog(lab: OpenLab, options: LogOptions): AsyncGenerator<Buffer> {
  const path = await logPath(lab, options);
  if (!existsSync(path))
    throw new NotFoundError("no-log", `${options.target} has written no log yet`, { details: { path } });
  await using file = await open(path, "r");
  let position = options.tail === undefined ? 0 : await positionOfTail(file, options.tail);
  const buffer = Buffer.alloc(CHUNK_BYTES);
  while (!options.signal.aborted) {
    const { bytesRead } = await file.read(buffer, 0, CHUNK_BYTES, position);
    position += bytesRead;
    if (bytesRead > 0) yield Buffer.from(buffer.subarray(0, bytesRead));
    else if (options.follow) await sleep(FOLLOW_MS, options.signal).catch(() => undefined);
    else return;
  }
}

async function logPath(lab: OpenLab, options: LogOptions): Promise<string> {
  const { paths } = lab;
  const { target } = options;
  if (target === "supervisor") return paths.supervisorLog;
  const node = /^(?:agent|node)\/(.+)$/.exec(target)?.[1];
  if (node !== undefined) return findNode(lab, node).agentLog;
  const pod = await findPod(paths, target, options.namespace);
  return containerPaths(podDir(paths, podRefOf(pod)), findContainer(pod, options.container).name).log;
}

/** Where the last `lines` lines begin; reads from the end, so that a long log costs nothing. */
async function positionOfTail(file: FileHandle, lines: number): Promise<number> {
  const { size } = await file.stat();
  const buffer = Buffer.alloc(CHUNK_BYTES);
  let left = lines;
  for (let end = size; end > 0; ) {
    const start = Math.max(0, end - CHUNK_BYTES);
    await file.read(buffer, 0, end - start, start);
    for (let at = end - 1; at >= start; at--) {
      // The newline that ends the file ends the last line, it does not begin one.
      if (buffer[at - start] !== 0x0a || at === size - 1) continue;
      if (--left === 0) return at + 1;
    }
    end = start;
  }
  return 0;
}

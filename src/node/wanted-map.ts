import { basename, normalize } from "node:path";
import type { BpfMap } from "../kernel/bpf-map.js";
import { KernelError, NotFoundError, UsageError } from "../lib/errors.js";
import { didYouMean } from "../lib/nearest-name.js";
import type { MapEntriesRequest } from "../model/map-entries.js";
import type { NodeContext } from "./node-context.js";
import { listPins } from "./pins.js";
import { openMapById } from "./readers/inner-maps.js";

/** A map that a user asked for. Belongs to whoever asked for it. */
export interface WantedMap {
  /** Pin name in the datapath's folder, else the path below the BPF file system, else the kernel's name. */
  readonly name: string;
  readonly map: BpfMap;
}

/** The datapath's folder below the BPF file system. */
export const pinFolder = "tc/globals/";
/** Where nodes have theirs, whatever this process sees it as. */
const usualMount = "/sys/fs/bpf";

/**
 * Opens the map that the request names: by id, by the name of a pin, or by its path.
 * @throws NotFoundError `map-not-found`, UsageError `map-ambiguous`, `path-outside`, KernelError `no-map`
 */
export function openWantedMap(context: NodeContext, { name, id }: MapEntriesRequest): WantedMap {
  if (id !== undefined) return openById(context, id);
  if (name === undefined || name === "") throw new UsageError("map-unnamed", "a map is told by its name, path or id");
  const path = name.includes("/") ? pinnedAt(context, pathBelow(context, name)) : pathOfName(context, name);
  if (path === undefined) throw notPinned(context, name);
  const map = openMapPin(context, path);
  if (map !== undefined) return { name: shownName(path), map };
  throw new KernelError("no-map", `what is pinned at ${path} on node ${context.place.name} is no map`, {
    nextSteps: ["kubectl cilium-ts bpf map list   (the pinned maps)"],
    details: { path },
  });
}

/** What a pin is called: the datapath's own by their names alone. */
export function shownName(path: string): string {
  return path.startsWith(pinFolder) ? path.slice(pinFolder.length) : path;
}

function openById(context: NodeContext, id: number): WantedMap {
  const map = openMapById(id);
  if (map === undefined) {
    throw new NotFoundError("map-not-found", `node ${context.place.name} has no map with id ${id}`, {
      nextSteps: ["kubectl cilium-ts bpf map list -o wide   (the ids of pinned maps)"],
    });
  }
  const { paths } = listPins(context.place.bpffs, context.place.name);
  const pin = paths.find((path) => path.startsWith(pinFolder) && pinnedId(context, path) === id);
  return { name: pin === undefined ? map.info.name : shownName(pin), map };
}

function pinnedId(context: NodeContext, path: string): number | undefined {
  using map = openMapPin(context, path);
  return map?.info.id;
}

/** A name without slashes: the datapath's pin, else the only one of that name anywhere. */
function pathOfName(context: NodeContext, name: string): string | undefined {
  if (context.pinNames().includes(name)) return `${pinFolder}${name}`;
  const found = listPins(context.place.bpffs, context.place.name).paths.filter((path) => basename(path) === name);
  if (found.length > 1) {
    throw new UsageError("map-ambiguous", `${found.length} pins on node ${context.place.name} are called ${name}`, {
      nextSteps: found.slice(0, 8).map((path) => `kubectl cilium-ts bpf map get ${path}`),
    });
  }
  return found[0];
}

/** The path below the BPF file system, by which name it may be called on the node or here. */
function pathBelow({ place }: NodeContext, text: string): string {
  const mount = [place.bpffs, usualMount].find((candidate) => text.startsWith(`${candidate}/`));
  const path = normalize(mount === undefined ? text : text.slice(mount.length + 1));
  if (!path.startsWith("/") && !path.startsWith("..")) return path;
  throw new UsageError("path-outside", `${text} is not below the BPF file system`, {
    hint: `Paths begin with ${usualMount}/ or with the name of a folder in it.`,
  });
}

/** The path itself, if something is pinned there. */
function pinnedAt({ place }: NodeContext, path: string): string | undefined {
  return listPins(place.bpffs, place.name).paths.find((pin) => pin === path);
}

/** Programs and links are no maps: undefined, as where there is nothing any more. */
export function openMapPin(context: NodeContext, path: string): BpfMap | undefined {
  try {
    return context.openPath(path);
  } catch (error) {
    const { errno } = error instanceof KernelError ? error.details : {};
    if (errno === "EINVAL") return undefined;
    throw error;
  }
}

function notPinned(context: NodeContext, name: string): NotFoundError {
  const { paths } = listPins(context.place.bpffs, context.place.name);
  const known = name.includes("/") ? paths : paths.map((path) => basename(path));
  const near = didYouMean(name, new Set(known));
  return new NotFoundError("map-not-found", `no map "${name}" is pinned on node ${context.place.name}${near}`, {
    nextSteps: ["kubectl cilium-ts bpf map list   (what is pinned there)"],
    details: { bpffs: context.place.bpffs },
  });
}

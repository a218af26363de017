import { readdirSync, statfsSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { findRelease, ownReleases, type Release, type Releases, releases } from "../abi/release.js";
import { upstreamMapName } from "../abi/upstream-maps.js";
import { BpfMap } from "../kernel/bpf-map.js";
import { KernelError, UsageError } from "../lib/errors.js";
import type { ReleaseFinding } from "../model/list-status.js";
import type { NodeFacts } from "../model/readers.js";
import { unreadablePins } from "./pins.js";
import {
  decideRelease,
  objectionTo,
  type PinnedMapShape,
  type ReleaseDecision,
  type ReleaseEvidence,
  releasesOfMap,
  unknownLayoutError,
} from "./release.js";
import { agentEvidence, programEvidence } from "./upstream-evidence.js";

/** Where a node's kernel objects and processes are found from this process. */
export interface NodePlace {
  readonly name: string;
  /** Mount point of the node's BPF file system. */
  readonly bpffs: string;
  /** The node's root folder, as this process sees it. */
  readonly root: string;
  /** Table of the node's mounts; absent when the node is where this process runs. */
  readonly mountInfo?: string | undefined;
  /** Branch of the cgroup2 tree that holds the node's processes; absent when the node is the whole machine. */
  readonly cgroupPath?: string | undefined;
  /** Where an agent of ours listens on the node, as this process sees it. */
  readonly agentSocket?: string | undefined;
  /** Whose layouts the maps have, when the user says so. */
  readonly release?: string | undefined;
  /** Longest time that one call of the kernel may hold a CPU where it cannot be had in pieces. */
  readonly maxSliceMs?: number | undefined;
  /** What the node's clock said, when its maps are not of now; see {@link NodeFacts.clock} for both. */
  readonly nowSeconds?: number | undefined;
  readonly jiffiesHz?: number | undefined;
}

/** Only our own datapath pins it. */
const ownerMap = "cts_owner";

/** What the readers of one node share. Maps are opened read-only and belong to whoever asked for them. */
export class NodeContext {
  readonly place: NodePlace;
  readonly facts: NodeFacts;
  readonly #chosen: Release | undefined;
  #found: readonly PinnedMap[] | undefined;
  #decision: ReleaseDecision | undefined;
  #isPrepared = false;

  constructor(place: NodePlace) {
    this.place = place;
    this.#chosen = chosenRelease(place);
    this.facts = {
      name: place.name,
      kernelRelease: release(),
      bpffs: place.bpffs,
      clock: { nowSeconds: Math.floor(place.nowSeconds ?? monotonicSeconds()), jiffiesHz: place.jiffiesHz },
    };
  }

  /** Folder of the pins, `<bpffs>/tc/globals` as upstream has it. */
  get pinDir(): string {
    return join(this.place.bpffs, "tc", "globals");
  }

  /** Names of everything pinned, sorted; empty when the folder does not exist. @throws KernelError `pins-unreadable` */
  pinNames(): readonly string[] {
    try {
      return readdirSync(this.pinDir).sort();
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw unreadablePins(this.pinDir, this.place.name, error);
    }
  }

  /**
   * Opens a pinned map whose layout the node's release says. Undefined when there is no such pin.
   * @throws KernelError as {@link releasesOf}
   */
  openMap(name: string): BpfMap | undefined {
    this.releasesOf(name);
    return this.openPin(name);
  }

  /** True when a map of this name is pinned that the node's release may have; leftovers of others are none. */
  hasMap(name: string): boolean {
    return this.pinNames().includes(name) && this.isReadable(name);
  }

  /** True when the node's release may have this pinned map as it is. */
  isReadable(name: string): boolean {
    return objectionTo(this.release(), name) === undefined;
  }

  /**
   * The releases that a pinned map may be of: what its codecs are made for.
   * @throws KernelError `layout-unknown` when the node's maps fit no release, or this map not the one decided
   */
  releasesOf(name: string): Releases {
    const decision = this.release();
    const objection = objectionTo(decision, name);
    const objections = objection === undefined ? decision.objections : [objection];
    if (objections.length > 0) {
      const { place, pinDir } = this;
      throw unknownLayoutError({ node: place.name, pinDir, isGiven: decision.isGiven }, objections);
    }
    return releasesOfMap(decision, name);
  }

  /** Opens whatever is pinned under the name, if it is a map. */
  openPin(name: string): BpfMap | undefined {
    return this.openPath(join("tc", "globals", name));
  }

  /** Opens whatever is pinned at this path below the BPF file system, if it is a map. */
  openPath(path: string): BpfMap | undefined {
    try {
      return BpfMap.openPinned(join(this.place.bpffs, path), { readOnly: true });
    } catch (error) {
      if (error instanceof KernelError && error.details.errno === "ENOENT") return undefined;
      throw error;
    }
  }

  /** What the readers so far found out about the node's release; undefined when none needed it. */
  get finding(): ReleaseFinding | undefined {
    const decision = this.#decision;
    if (decision === undefined || decision.candidates.length === 0) return undefined;
    return { releases: decision.candidates, isMixed: decision.isMixed, evidence: decision.evidence };
  }

  /** Decides the node's release from all evidence, once; before it {@link release} knows what the maps alone say. */
  async prepare(signal: AbortSignal): Promise<void> {
    if (this.#isPrepared) return;
    this.#isPrepared = true;
    if (this.release().candidates.length < 2) return;
    const pins = this.#pins();
    const mapIds = new Set(pins.map(({ id }) => id));
    const others = [...programEvidence(mapIds), ...(await agentEvidence(this.place.root, signal))];
    this.#decision = decideRelease({ maps: pins, others });
  }

  /** Which releases fit the node's maps. */
  release(): ReleaseDecision {
    this.#decision ??= decideRelease({ maps: this.#pins(), ...this.#decided() });
    return this.#decision;
  }

  /** The refusal when none of the maps that a reader reads is pinned. @param hint why not every node has them */
  missingMapsError(names: readonly string[], hint?: string): KernelError {
    const { name: node, bpffs } = this.place;
    if (!isBpffs(bpffs)) return this.missingBpffsError();
    const what = names.length === 1 ? `map ${names[0]} is not` : `of the maps ${names.join(", ")} none is`;
    return new KernelError("map-missing", `${what} pinned in ${this.pinDir} on node ${node}`, {
      hint: hint ?? "Either no datapath of this kind runs on the node, or it has not begun to.",
      nextSteps: ["kubectl cilium-ts bpf map list   (what is pinned there)", "kubectl cilium-ts status"],
      details: { pinDir: this.pinDir, names },
    });
  }

  /** The refusal when there is no place for pins. */
  missingBpffsError(): KernelError {
    const { name: node, bpffs } = this.place;
    return new KernelError("bpffs-missing", `no BPF file system is mounted on ${bpffs} of node ${node}`, {
      hint: "Maps are pinned there; without it no datapath of this kind can run on the node.",
      nextSteps: ["mount -t bpf bpf /sys/fs/bpf   (as root; the agent does it when it starts)"],
      details: { bpffs },
    });
  }

  #decided(): { readonly decided?: ReleaseEvidence } {
    const release = this.#chosen;
    if (release !== undefined) return { decided: { text: "--release was given", releases: [release] } };
    if (!this.pinNames().includes(ownerMap)) return {};
    return { decided: { text: `${ownerMap} is pinned: the maps are our own`, releases: ownReleases } };
  }

  /** The pinned maps that upstream has too, opened once to look at them. */
  #pins(): readonly PinnedMap[] {
    this.#found ??= this.#lookAtPins();
    return this.#found;
  }

  #lookAtPins(): readonly PinnedMap[] {
    return this.pinNames().flatMap((name) => {
      if (upstreamMapName(name) === undefined) return [];
      try {
        using map = this.openPin(name);
        return map === undefined ? [] : [pinnedMap(name, map)];
      } catch (error) {
        // A program or link pinned under a map's name is no evidence of a layout; whoever reads the map is told.
        if (error instanceof KernelError && error.details.errno === "EINVAL") return [];
        throw error;
      }
    });
  }
}

/** CLOCK_MONOTONIC is the kernel's, the same for every process and namespace of the machine (no time namespaces). */
function monotonicSeconds(): number {
  return Number(process.hrtime.bigint() / 1_000_000_000n);
}

function chosenRelease({ release }: NodePlace): Release | undefined {
  if (release === undefined) return undefined;
  const found = findRelease(release);
  if (found !== undefined) return found;
  throw new UsageError("unknown-release", `release "${release}" is none whose maps can be read`, {
    hint: `releases are ${releases.join(", ")}`,
  });
}

/** `BPF_FS_MAGIC` of include/uapi/linux/magic.h. */
const bpffsMagic = 0xcafe4a11;

function isBpffs(path: string): boolean {
  try {
    return statfsSync(path).type === bpffsMagic;
  } catch {
    return false;
  }
}

interface PinnedMap extends PinnedMapShape {
  readonly id: number;
}

function pinnedMap(name: string, map: BpfMap): PinnedMap {
  const { id, type, keySizeBytes, valueSizeBytes, maxEntries, flags } = map.info;
  return { name, id, type, keySizeBytes, valueSizeBytes, maxEntries, flags };
}

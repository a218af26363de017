import { BpfMap } from "../kernel/bpf-map.js";
import { MapFlag } from "../kernel/map-type.js";
import { policyMapName } from "../model/policy-map-name.js";
import { listPins } from "./bpf-folder.js";
import { POLICY_ENTRY_BYTES, POLICY_KEY_BYTES } from "./entries.js";
import type { Ownership } from "./ownership.js";
import { RecordedPins } from "./recorded-pins.js";

const PREFIX = "cilium_policy_v2_";

/** The pins of policy maps: `cilium_policy_v2_<endpoint id>`. */
export class PolicyPins {
  readonly #folder: string;
  readonly #pins: RecordedPins;
  readonly #maxEntries: number;

  constructor(options: { readonly folder: string; readonly ownership: Ownership; readonly maxEntries: number }) {
    this.#folder = options.folder;
    this.#pins = new RecordedPins(options.folder, options.ownership);
    this.#maxEntries = options.maxEntries;
  }

  endpointIds(): readonly number[] {
    const pinned = listPins(this.#folder)
      .filter((name) => /^cilium_policy_v2_\d{5}$/.test(name))
      .map((name) => Number(name.slice(PREFIX.length)));
    return pinned.sort((a, b) => a - b);
  }

  /** Undefined where nothing is pinned. */
  open(endpointId: number): BpfMap | undefined {
    return this.#pins.open(policyMapName(endpointId));
  }

  /** Of another size when the setting changed since the map was made. */
  isConfiguredSize(map: BpfMap): boolean {
    return map.info.maxEntries === this.#maxEntries;
  }

  /** An empty map, not pinned. */
  create(endpointId: number): BpfMap {
    return BpfMap.create({
      type: "lpm_trie",
      // The kernel keeps 15 characters, of upstream's names too.
      name: policyMapName(endpointId).slice(0, 15),
      keySizeBytes: POLICY_KEY_BYTES,
      valueSizeBytes: POLICY_ENTRY_BYTES,
      maxEntries: this.#maxEntries,
      flags: MapFlag.noPrealloc | MapFlag.readOnlyProgram,
    });
  }

  /** As {@link RecordedPins.stage}. */
  stage(endpointId: number, map: BpfMap): void {
    this.#pins.stage(policyMapName(endpointId), map);
  }

  /** As {@link RecordedPins.settle}. */
  settle(endpointId: number, map: BpfMap): void {
    this.#pins.settle(policyMapName(endpointId), map);
  }

  /** Absence is not an error. */
  remove(endpointId: number): void {
    this.#pins.remove(policyMapName(endpointId));
  }
}

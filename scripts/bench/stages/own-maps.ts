import { configuredInnerMaps, configuredMapSizes } from "../../../src/datapath/datapath-config.js";
import { MapSet } from "../../../src/datapath/map-set.js";
import type { AgentConfig } from "../../../src/model/agent-config.js";
import { objectsDir } from "../../../test/bpf/harness.js";

/** The maps of an installation that nobody else has, pinned where the caller says. */
export function openOwnMaps(folder: string, config: AgentConfig): MapSet {
  return MapSet.open({
    folder,
    objectPath: `${objectsDir}/maps.bpf.o`,
    installId: "00000000-0000-4000-8000-000000000000",
    maxEntries: configuredMapSizes(config),
    innerMaps: configuredInnerMaps(config),
    adopt: false,
  });
}

import { authMap } from "./auth.js";
import { bandwidthMap } from "./bandwidth.js";
import { deviceMap } from "./device.js";
import { egressMap } from "./egress.js";
import { encryptMap } from "./encrypt.js";
import { fragmentMap } from "./fragment.js";
import { ipmasqMap } from "./ipmasq.js";
import { l2ResponderMap } from "./l2-responder.js";
import { activityMap } from "./lb-activity.js";
import { affinityMap, affinityMatchMap } from "./lb-affinity.js";
import { healthMap } from "./lb-health.js";
import { skipMap } from "./lb-skip.js";
import { multicastGroupMap, multicastSubscriberMap } from "./multicast.js";
import { natClusterMap, natMap } from "./nat.js";
import { natRetriesMap } from "./nat-retries.js";
import { neighbourMap } from "./neighbour.js";
import { nodeIdMap } from "./node-id.js";
import { prefilterMap } from "./prefilter.js";
import { ratelimitMap, ratelimitMetricsMap } from "./ratelimit.js";
import { runtimeConfigMap } from "./runtime-config.js";
import type { SmallMap, SmallMapRow } from "./small-map.js";
import { srv6PolicyMap, srv6SidMap, srv6StateMap, srv6VrfMap } from "./srv6.js";
import { subnetMap } from "./subnet.js";
import { vtepMap } from "./vtep.js";

/** Every small map. A new one is a file beside this one, a line here and a command. */
export const smallMaps: readonly SmallMap<SmallMapRow>[] = [
  activityMap,
  affinityMap,
  affinityMatchMap,
  authMap,
  bandwidthMap,
  deviceMap,
  egressMap,
  encryptMap,
  fragmentMap,
  healthMap,
  ipmasqMap,
  l2ResponderMap,
  multicastGroupMap,
  multicastSubscriberMap,
  natClusterMap,
  natMap,
  natRetriesMap,
  neighbourMap,
  nodeIdMap,
  prefilterMap,
  ratelimitMap,
  ratelimitMetricsMap,
  runtimeConfigMap,
  skipMap,
  srv6PolicyMap,
  srv6SidMap,
  srv6StateMap,
  srv6VrfMap,
  subnetMap,
  vtepMap,
].map((map) => map as unknown as SmallMap<SmallMapRow>);

/** The one of this name. */
export function findSmallMap(name: string): SmallMap<SmallMapRow> | undefined {
  return smallMaps.find((map) => map.name === name);
}

import type { Logger } from "../lib/log.js";
import {
  type KubeConfigMap,
  type KubeDeployment,
  type KubeEndpointSlice,
  type KubeNode,
  type KubePod,
  type KubeService,
  resourceTypes,
} from "../model/kubernetes.js";
import type { StateSource } from "../state/state-source.js";
import type { LabPaths } from "./lab-paths.js";
import { ObjectCache } from "./object-cache.js";

/** What every controller of one lab works on. */
export interface SupervisorContext {
  readonly paths: LabPaths;
  readonly mtuBytes: number;
  readonly agentCommand: readonly string[];
  readonly state: StateSource;
  readonly log: Logger;
  readonly caches: LabCaches;
}

export interface LabCaches {
  readonly configMaps: ObjectCache<KubeConfigMap>;
  readonly nodes: ObjectCache<KubeNode>;
  readonly pods: ObjectCache<KubePod>;
  readonly deployments: ObjectCache<KubeDeployment>;
  readonly services: ObjectCache<KubeService>;
  readonly endpointSlices: ObjectCache<KubeEndpointSlice>;
}

export function createLabCaches(state: StateSource): LabCaches {
  return {
    configMaps: new ObjectCache(state, resourceTypes.configMaps),
    nodes: new ObjectCache(state, resourceTypes.nodes),
    pods: new ObjectCache(state, resourceTypes.pods),
    deployments: new ObjectCache(state, resourceTypes.deployments),
    services: new ObjectCache(state, resourceTypes.services),
    endpointSlices: new ObjectCache(state, resourceTypes.endpointSlices),
  };
}

/**
 * One part of the supervisor. Nothing is decided before `start`, when every cache holds its first list: half a picture would
 * look as if nodes or pods had been deleted.
 */
export interface Controller extends AsyncDisposable {
  start(): void | Promise<void>;
}

import { randomUUID } from "node:crypto";
import { mkdir, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type KubeEndpointSlice,
  type KubePod,
  type KubeService,
  resourceTypes,
  SERVICE_NAME_LABEL,
} from "../../src/model/kubernetes.js";
import type { KubeObject, ResourceType } from "../../src/state/state-source.js";

const namespace = "filler";
/** Files in flight: more only queue in libuv. */
const batch = 16;

function fillerService(index: number): KubeService {
  const clusterIP = `10.${100 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}`;
  return {
    apiVersion: "v1",
    kind: "Service",
    metadata: { name: `filler-${index}`, namespace },
    spec: {
      type: "ClusterIP",
      clusterIP,
      clusterIPs: [clusterIP],
      ports: [{ port: 80, protocol: "TCP", targetPort: 80 }],
    },
  };
}

/** Two endpoints out of a few hundred: Services in a cluster share nodes and differ in Pods. */
function fillerSlice(index: number): KubeEndpointSlice {
  const address = (offset: number): string => `10.254.${(index + offset) % 4}.${1 + ((index * 7 + offset) % 250)}`;
  return {
    apiVersion: "discovery.k8s.io/v1",
    kind: "EndpointSlice",
    metadata: { name: `filler-${index}-1`, namespace, labels: { [SERVICE_NAME_LABEL]: `filler-${index}` } },
    addressType: "IPv4",
    ports: [{ port: 80, protocol: "TCP" }],
    endpoints: [0, 1].map((offset) => ({ addresses: [address(offset)], conditions: { ready: true } })),
  };
}

/**
 * Writes the first version of an object as a finished file. The state's own `create` makes sure against every other writer
 * that the name is new, by a look at the whole folder; these names are new, and there are a hundred thousand of them.
 */
async function placeObject(stateDir: string, type: ResourceType, object: KubeObject): Promise<void> {
  const { namespace = "_", name } = object.metadata;
  const writeId = randomUUID();
  const metadata = { ...object.metadata, uid: writeId, resourceVersion: "1" };
  const draft = join(stateDir, ".drafts", writeId);
  await writeFile(draft, JSON.stringify({ writeId, deleted: false, object: { ...object, metadata } }));
  await rename(draft, join(stateDir, type.plural, namespace, `${name}.1.json`));
}

/** Adds Services `first` … `last - 1` with their endpoints to a lab's state, as its controllers would. */
export async function fillServices(stateDir: string, first: number, last: number): Promise<void> {
  for (const { plural } of [resourceTypes.endpointSlices, resourceTypes.services]) {
    await mkdir(join(stateDir, plural, namespace), { recursive: true });
  }
  for (let start = first; start < last; start += batch) {
    const indexes = Array.from({ length: Math.min(batch, last - start) }, (_, offset) => start + offset);
    await Promise.all(
      indexes.flatMap((index) => [
        placeObject(stateDir, resourceTypes.endpointSlices, fillerSlice(index)),
        placeObject(stateDir, resourceTypes.services, fillerService(index)),
      ]),
    );
  }
}

/** What the bench lab says about Pods of a node that it does not have. One that says so already is left alone. */
const unknownNode = 'no node is called "elsewhere"; there are bench-1, bench-2';

/** A Pod that nobody runs, with an address that has a name. */
function fillerPod(index: number): KubePod {
  return {
    apiVersion: "v1",
    kind: "Pod",
    metadata: { name: `filler-${index}`, namespace, labels: { app: `filler-${index % 100}` } },
    spec: { nodeName: "elsewhere", containers: [{ name: "main" }] },
    status: { phase: "Running", message: unknownNode, podIP: `10.250.${index >> 8}.${index & 255}` },
  };
}

/** Adds Pods 0 … `count - 1` to the state of a bench lab. */
export async function fillPods(stateDir: string, count: number): Promise<void> {
  await mkdir(join(stateDir, resourceTypes.pods.plural, namespace), { recursive: true });
  for (let index = 0; index < count; index++) await placeObject(stateDir, resourceTypes.pods, fillerPod(index));
}

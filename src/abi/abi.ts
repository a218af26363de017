import { type CtCodecs, createCtCodecs } from "./conntrack.js";
import { createEndpointCodecs, type EndpointCodecs } from "./endpoints.js";
import { createEventCodecs, type EventCodecs } from "./events/event-codecs.js";
import { createIpcacheCodecs, type IpcacheCodecs } from "./ipcache.js";
import { createLbCodecs, type LbCodecs } from "./load-balancing.js";
import { createMetricCodecs, type MetricCodecs } from "./metrics.js";
import { createOwnerCodecs, type OwnerCodecs } from "./owner.js";
import { createPolicyCodecs, type PolicyCodecs } from "./policy.js";
import { ownRelease, type Release } from "./release.js";
import { createTunnelCodecs, type TunnelCodecs } from "./tunnel.js";

/** All codecs of one release. Each family is compiled when it is first used. */
export interface Abi {
  readonly release: Release;
  readonly conntrack: CtCodecs;
  readonly loadBalancing: LbCodecs;
  readonly ipcache: IpcacheCodecs;
  readonly endpoints: EndpointCodecs;
  readonly policy: PolicyCodecs;
  readonly metrics: MetricCodecs;
  /** @throws AbiError `abi-layout` from 1.18 on, where there is no tunnel map */
  readonly tunnel: TunnelCodecs;
  readonly events: EventCodecs;
  readonly owner: OwnerCodecs;
}

/** The codecs of `release`, by default of our own datapath. */
export function createAbi(release: Release = ownRelease): Abi {
  const conntrack = once(() => createCtCodecs([release]));
  const loadBalancing = once(() => createLbCodecs([release]));
  const ipcache = once(() => createIpcacheCodecs([release]));
  const endpoints = once(() => createEndpointCodecs([release]));
  const policy = once(() => createPolicyCodecs([release]));
  const metrics = once(() => createMetricCodecs([release]));
  const tunnel = once(() => createTunnelCodecs([release]));
  const events = once(() => createEventCodecs([release]));
  const owner = once(createOwnerCodecs);
  return {
    release,
    get conntrack() {
      return conntrack();
    },
    get loadBalancing() {
      return loadBalancing();
    },
    get ipcache() {
      return ipcache();
    },
    get endpoints() {
      return endpoints();
    },
    get policy() {
      return policy();
    },
    get metrics() {
      return metrics();
    },
    get tunnel() {
      return tunnel();
    },
    get events() {
      return events();
    },
    get owner() {
      return owner();
    },
  };
}

function once<T>(create: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: create() };
    return made.value;
  };
}

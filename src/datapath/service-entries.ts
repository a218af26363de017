import { createLbCodecs, masterUnion } from "../abi/load-balancing.js";
import { ownReleases } from "../abi/release.js";
import type { IpAddress } from "../lib/ip.js";
import type { FrontendKey, LoadBalancerBackend, LoadBalancerFrontend } from "../model/datapath-port.js";
import type { TableEntry } from "./table.js";

const codecs = createLbCodecs(ownReleases);
const { serviceKey, serviceValue, backendValue, revNatValue } = codecs.v4;

/** Backend states by their number in the map. */
const backendStates = ["active", "terminating", "quarantined", "maintenance"] as const;

/** Every entry of one frontend: reverse NAT, slots, and the master that makes them visible. */
export interface FrontendEntries {
  readonly reverseNat: TableEntry;
  readonly slots: readonly TableEntry[];
  readonly master: TableEntry;
  readonly wildcard: TableEntry;
}

export function encodeFrontend(frontend: LoadBalancerFrontend): FrontendEntries {
  const { serviceId, backendIds } = frontend;
  const flags = { flags: frontend.flags & 0xff, flags2: frontend.flags >> 8 };
  return {
    reverseNat: {
      key: reverseNatKey(serviceId),
      value: revNatValue.encode({ address: frontend.address, port: frontend.port }),
    },
    slots: backendIds.map((backendId, index) => ({
      key: frontendKey(frontend, index + 1),
      value: serviceValue.encode({ union0: backendId, count: 0, revNatId: serviceId, quarantinedCount: 0, ...flags }),
    })),
    master: {
      key: frontendKey(frontend, 0),
      value: serviceValue.encode({
        union0: masterUnion(frontend.affinityTimeoutSeconds, "default"),
        count: backendIds.length,
        revNatId: serviceId,
        quarantinedCount: 0,
        ...flags,
      }),
    },
    wildcard: {
      key: wildcardKey(frontend.address),
      value: serviceValue.encode({ union0: 0, count: 0, revNatId: 0, quarantinedCount: 0, flags: 0, flags2: 0 }),
    },
  };
}

export function frontendKey(frontend: FrontendKey, slot: number): Buffer {
  const { address, port, protocol, scope } = frontend;
  return serviceKey.encode({ address, port, slot, protocol, scope });
}

/** Upstream's entry that says: this address is a Service's, whatever the port. */
export function wildcardKey(address: IpAddress): Buffer {
  return serviceKey.encode({ address, port: 0, slot: 0, protocol: 0, scope: 0 });
}

export function reverseNatKey(serviceId: number): Buffer {
  return codecs.revNatId.encode(serviceId);
}

export function backendKey(backendId: number): Buffer {
  return codecs.backendId.encode(backendId);
}

export function encodeBackend(backend: LoadBalancerBackend): TableEntry {
  const { address, port, protocol } = backend;
  const state = backendStates.indexOf(backend.state);
  return {
    key: backendKey(backend.backendId),
    value: backendValue.encode({ address, port, protocol, state, clusterId: 0, zone: 0 }),
  };
}

export function decodeBackend(entry: TableEntry): LoadBalancerBackend {
  const { address, port, protocol, state } = backendValue.decode(entry.value);
  return {
    backendId: codecs.backendId.decode(entry.key),
    address,
    port,
    protocol,
    state: backendStates[state] ?? "maintenance",
  };
}

/** A frontend's master entry; undefined for slots and wildcards. */
export function decodeMaster(
  entry: TableEntry,
): (FrontendKey & { readonly serviceId: number; readonly count: number }) | undefined {
  const { address, port, slot, protocol, scope } = serviceKey.decode(entry.key);
  if (slot !== 0 || (port === 0 && protocol === 0)) return undefined;
  const { revNatId: serviceId, count } = serviceValue.decode(entry.value);
  return { address, port, protocol, scope: scope === 1 ? 1 : 0, serviceId, count };
}

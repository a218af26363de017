import { createLbCodecs, masterUnion, type SockRevNatKey } from "../abi/load-balancing.js";
import { ownReleases } from "../abi/release.js";
import { structCodec } from "../abi/struct-codec.js";
import type { IpAddress, IpFamily } from "../lib/ip.js";
import type { FrontendKey, LoadBalancerBackend, LoadBalancerFrontend } from "../model/datapath-port.js";
import { serviceFlag } from "../model/service-flag.js";
import { be, uint } from "../model/struct-fields.js";
import type { TableEntry } from "./table.js";

const codecs = createLbCodecs(ownReleases);
const familyCodecs = { 4: codecs.v4, 6: codecs.v6 } as const;
const affinityMatch = structCodec<{ readonly backendId: number; readonly serviceId: number }>(
  "lb_affinity_match",
  ownReleases,
  { backendId: uint("backend_id"), serviceId: be("rev_nat_id") },
);
/** The maps that are sets have a byte of value. */
const MEMBER = Buffer.alloc(1);

/** Backend states by their number in the map. */
const backendStates = ["active", "terminating", "quarantined", "maintenance"] as const;

/** Every entry of one frontend: what its packets need, then the slots, then the master that makes them visible. */
export interface FrontendEntries {
  readonly reverseNat: TableEntry;
  readonly sourceRanges: readonly TableEntry[];
  readonly affinityMatches: readonly TableEntry[];
  readonly slots: readonly TableEntry[];
  readonly master: TableEntry;
  /** Of frontends that own their address. */
  readonly wildcard: TableEntry | undefined;
}

export function encodeFrontend(frontend: LoadBalancerFrontend): FrontendEntries {
  const { serviceId, backendIds, address, port, activeCount } = frontend;
  const { serviceValue, revNatValue, sourceRangeKey } = familyCodecs[address.family];
  // In a slot the bit of "refuse the source ranges" means a backend that is ill.
  const slotFlags = splitFlags(frontend.flags & ~serviceFlag.quarantined);
  const common = { count: 0, revNatId: serviceId, quarantinedCount: 0 };
  return {
    reverseNat: { key: reverseNatKey(serviceId), value: revNatValue.encode({ address, port }) },
    sourceRanges: frontend.sourceRanges.map((prefix) => ({
      key: sourceRangeKey.encode({ revNatId: serviceId, prefix }),
      value: MEMBER,
    })),
    affinityMatches: backendIds.slice(0, frontend.affineCount).map((backendId) => ({
      key: affinityMatchKey(serviceId, backendId),
      value: MEMBER,
    })),
    slots: backendIds.map((backendId, index) => ({
      key: frontendKey(frontend, index + 1),
      value: serviceValue.encode({ ...common, union0: backendId, ...slotFlags }),
    })),
    master: {
      key: frontendKey(frontend, 0),
      value: serviceValue.encode({
        ...common,
        union0: masterUnion(frontend.affinityTimeoutSeconds, frontend.algorithm),
        count: activeCount,
        quarantinedCount: backendIds.length - activeCount,
        ...splitFlags(frontend.flags),
      }),
    },
    wildcard: frontend.ownsAddress
      ? {
          key: wildcardKey(address),
          value: serviceValue.encode({
            ...common,
            revNatId: 0,
            union0: 0,
            ...splitFlags(frontend.flags & serviceFlag.loadBalancer),
          }),
        }
      : undefined,
  };
}

function splitFlags(flags: number): { readonly flags: number; readonly flags2: number } {
  return { flags: flags & 0xff, flags2: flags >> 8 };
}

export function frontendKey(frontend: FrontendKey, slot: number): Buffer {
  const { address, port, protocol, scope } = frontend;
  return familyCodecs[address.family].serviceKey.encode({ address, port, slot, protocol, scope });
}

/** Upstream's entry that says: this address is a Service's, whatever the port. */
export function wildcardKey(address: IpAddress): Buffer {
  return frontendKey({ address, port: 0, protocol: 0, scope: 0 }, 0);
}

export function reverseNatKey(serviceId: number): Buffer {
  return codecs.revNatId.encode(serviceId);
}

/** Key of a Service's Maglev table. */
export const maglevKey = reverseNatKey;

export function backendKey(backendId: number): Buffer {
  return codecs.backendId.encode(backendId);
}

export function affinityMatchKey(serviceId: number, backendId: number): Buffer {
  return affinityMatch.encode({ serviceId, backendId });
}

export function encodeBackend(backend: LoadBalancerBackend): TableEntry {
  const { address, port, protocol } = backend;
  const state = backendStates.indexOf(backend.state);
  return {
    key: backendKey(backend.backendId),
    value: familyCodecs[address.family].backendValue.encode({ address, port, protocol, state, clusterId: 0, zone: 0 }),
  };
}

export function decodeBackend(entry: TableEntry, family: IpFamily): LoadBalancerBackend {
  const { address, port, protocol, state } = familyCodecs[family].backendValue.decode(entry.value);
  return {
    backendId: codecs.backendId.decode(entry.key),
    address,
    port,
    protocol,
    state: backendStates[state] ?? "maintenance",
  };
}

/** What a master entry says of its slots. */
export interface MasterEntry extends FrontendKey {
  readonly serviceId: number;
  readonly slotCount: number;
  readonly hasAffinity: boolean;
}

/** A frontend's master entry; undefined for slots and wildcards. */
export function decodeMaster(entry: TableEntry, family: IpFamily): MasterEntry | undefined {
  const { serviceKey, serviceValue } = familyCodecs[family];
  const { address, port, slot, protocol, scope } = serviceKey.decode(entry.key);
  if (slot !== 0 || (port === 0 && protocol === 0)) return undefined;
  const { revNatId: serviceId, count, quarantinedCount, flags } = serviceValue.decode(entry.value);
  const hasAffinity = (flags & serviceFlag.sessionAffinity) !== 0;
  return {
    address,
    port,
    protocol,
    scope: scope === 1 ? 1 : 0,
    serviceId,
    slotCount: count + quarantinedCount,
    hasAffinity,
  };
}

/** The backend that a slot leads to. */
export function decodeSlot(value: Buffer, family: IpFamily): number {
  return familyCodecs[family].serviceValue.decode(value).union0;
}

/** Masters and wildcards: slot 0, behind the address and the port. */
export function isMasterKey(key: Buffer, family: IpFamily): boolean {
  return key.readUInt16LE(family === 4 ? 6 : 18) === 0;
}

/** A socket and the backend that it was sent to. */
export function decodeSocketKey(key: Buffer, family: IpFamily): SockRevNatKey {
  return familyCodecs[family].sockRevNatKey.decode(key);
}

import { BpfMap } from "../kernel/bpf-map.js";
import { AgentError, KernelError } from "../lib/errors.js";
import type { RecordLoss } from "../model/datapath-port.js";
import { type MessageTypeName, messageTypes } from "../model/monitor.js";

/** Slot of the agent in `cts_events`. */
export const AGENT_SLOT = 0;
/** `CTS_EVENT_SLOTS` of bpf/lib/maps.h; all but the agent's are for sessions. */
const SLOTS = 4;
/** `CTS_EVENT_RING_BYTES` of bpf/lib/maps.h. */
export const RING_BYTES = 4 << 20;
/** Nobody is woken for a record. A ring holds what 200,000 new connections a second begin and end with in that time. */
export const DRAIN_INTERVAL_MS = 50;
/** Longest time that a slot stays taken after its holder died. */
const LEASE_NS = 5_000_000_000n;

/** The maps of bpf/lib/maps.h that an event's way out of the kernel goes through. */
export interface EventMaps {
  /** `cts_events` */
  readonly slots: BpfMap;
  /** `cts_event_types` */
  readonly types: BpfMap;
  /** `cts_events_lost` */
  readonly lost: BpfMap;
  /** `cts_event_leases` */
  readonly leases: BpfMap;
}

export const eventMapNames = {
  slots: "cts_events",
  types: "cts_event_types",
  lost: "cts_events_lost",
  leases: "cts_event_leases",
} as const satisfies { readonly [Map in keyof EventMaps]: string };

/** @param open gives the map that has this name */
export function openEventMaps(open: (name: string) => BpfMap): EventMaps {
  const { slots, types, lost, leases } = eventMapNames;
  return { slots: open(slots), types: open(types), lost: open(lost), leases: open(leases) };
}

/** The ring in the agent's slot: that of an earlier agent, or a new one. */
export function openAgentRing(slots: BpfMap): BpfMap {
  const ringId = ringIdIn(slots, AGENT_SLOT);
  if (ringId !== undefined) return BpfMap.openById(ringId);
  const ring = createRing("cts_ring_agent");
  slots.update(u32(AGENT_SLOT), u32(ring.fd));
  return ring;
}

/** What the datapath sends. */
export const sentTypes = [
  "drop",
  "trace",
  "policy-verdict",
  "trace-sock",
] as const satisfies readonly MessageTypeName[];

/** From now on the slot's ring gets records of these types, and no others; of all types where none are named. */
export function setWantedTypes(types: BpfMap, slot: number, wanted: Iterable<number> | undefined): void {
  const numbers = wanted ?? sentTypes.map((name) => messageTypes[name]);
  const bits = [...numbers].filter((type) => type < 32).reduce((sum, type) => sum | (1 << type), 0);
  types.update(u32(slot), u32(bits >>> 0));
}

/** Counts by CPU what a slot's ring had no room for, since the last call. */
export class SlotLosses {
  readonly #map: BpfMap;
  readonly #key: Buffer;
  #before: readonly bigint[] = [];

  constructor(lost: BpfMap, slot: number) {
    this.#map = lost;
    this.#key = u32(slot);
  }

  take(): readonly RecordLoss[] {
    const perCpu = this.#map.lookup(this.#key) ?? Buffer.alloc(0);
    const now = Array.from({ length: perCpu.length >> 3 }, (_, cpu) => perCpu.readBigUInt64LE(8 * cpu));
    const losses = now.map((total, cpu) => ({ cpu, count: total - (this.#before[cpu] ?? 0n) }));
    this.#before = now;
    return losses.filter(({ count }) => count > 0n);
  }
}

/** A slot of its own for a session: programs write every record into its ring too. Disposing it gives the slot back. */
export class SessionSlot implements Disposable {
  readonly ring: BpfMap;
  readonly losses: SlotLosses;
  readonly #maps: EventMaps;
  readonly #slot: number;

  private constructor(maps: EventMaps, slot: number, types: Iterable<number> | undefined) {
    this.#maps = maps;
    this.#slot = slot;
    this.losses = new SlotLosses(maps.lost, slot);
    // What was lost before is nobody's business.
    this.losses.take();
    this.ring = createRing(`cts_ring_${slot}`);
    maps.slots.update(u32(slot), u32(this.ring.fd));
    setWantedTypes(maps.types, slot, types);
  }

  /**
   * Takes a free slot. A holder that was killed cannot give its slot back: whose lease has run out is put out first.
   * @param types numbers of the messages that are wanted; undefined: all
   * @throws AgentError `no-event-slot`
   */
  static claim(maps: EventMaps, types?: Iterable<number>, nowNs: bigint = monotonicNs()): SessionSlot {
    releaseExpired(maps, nowNs);
    for (let slot = AGENT_SLOT + 1; slot < SLOTS; slot++) {
      if (takeLease(maps.leases, slot, nowNs)) return new SessionSlot(maps, slot, types);
    }
    throw new AgentError("no-event-slot", `${SLOTS - 1} sessions read the node's events already`, {
      nextSteps: ["end one of them, or start the agent, which serves any number"],
    });
  }

  /** Again and again, well within the lease. False: it had run out, and somebody else has the slot. */
  renew(nowNs: bigint = monotonicNs()): boolean {
    if (ringIdIn(this.#maps.slots, this.#slot) !== this.ring.info.id) return false;
    this.#maps.leases.update(u32(this.#slot), u64(nowNs + LEASE_NS));
    return true;
  }

  [Symbol.dispose](): void {
    if (this.renew()) freeSlot(this.#maps, this.#slot);
    this.ring.close();
  }
}

/** Takes the slots of dead sessions away, so that no program writes for them. */
export function releaseExpired(maps: EventMaps, nowNs: bigint = monotonicNs()): void {
  for (let slot = AGENT_SLOT + 1; slot < SLOTS; slot++) {
    const lease = maps.leases.lookup(u32(slot))?.readBigUInt64LE();
    if (lease !== undefined && lease < nowNs) freeSlot(maps, slot);
  }
}

/** False when somebody has it: of two who try at once, the kernel lets one create the entry. */
function takeLease(leases: BpfMap, slot: number, nowNs: bigint): boolean {
  try {
    leases.update(u32(slot), u64(nowNs + LEASE_NS), "create");
    return true;
  } catch (error) {
    if (error instanceof KernelError && error.details.errno === "EEXIST") return false;
    throw error;
  }
}

/** The ring first: a slot that is free has none. */
function freeSlot({ slots, types, leases }: EventMaps, slot: number): void {
  setWantedTypes(types, slot, []);
  slots.delete(u32(slot));
  leases.delete(u32(slot));
}

function createRing(name: string): BpfMap {
  return BpfMap.create({ type: "ringbuf", name, keySizeBytes: 0, valueSizeBytes: 0, maxEntries: RING_BYTES });
}

function ringIdIn(slots: BpfMap, slot: number): number | undefined {
  const id = slots.lookup(u32(slot))?.readUInt32LE() ?? 0;
  return id === 0 ? undefined : id;
}

function monotonicNs(): bigint {
  return process.hrtime.bigint();
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function u64(value: bigint): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64LE(value);
  return bytes;
}

import { ownLayouts } from "../../abi/generated/layouts.js";
import type { RecordFrame } from "../../model/event-frames.js";
import { messageTypes } from "../../model/monitor.js";
import type { MonitorEvent } from "../../model/monitor-event.js";
import { be16 } from "../../model/packet/decoding.js";
import { etherTypes } from "../../model/packet/link-layers.js";
import { plainTransport } from "../../model/packet/plain-summary.js";

/** Bytes in front of the packet, by the record's type. All three begin alike: type, hash, lengths, version. */
const headerBytes: Readonly<Record<number, number>> = {
  [messageTypes.drop]: ownLayouts.drop_notify.sizeBytes,
  [messageTypes.trace]: ownLayouts.trace_notify.sizeBytes,
  [messageTypes["policy-verdict"]]: ownLayouts.policy_verdict_notify.sizeBytes,
};
const { hash, len_orig, len_cap, version } = ownLayouts.trace_notify.fields;
const [hashAt, lengthAt, capturedAt, versionAt] = [hash.offset, len_orig.offset, len_cap.offset, version.offset];
const [ipAt, ipv4ProtocolAt, ipv4AddressesAt, ipv6AddressesAt, tcpFlagsAt] = [14, 9, 12, 8, 13];
const tcp = 6;

/** A header of 56 bytes, an Ethernet header, two addresses of IPv6, and the rest. */
const maxKeyWords = 32;
/** Then it starts again, so that its memory is bounded. */
const maxForms = 4096;

/** Events whose records have the same key are of one form. */
interface Form {
  readonly key: Uint32Array;
  /** The first of them; undefined where they have more of their own than a form allows. */
  readonly event: MonitorEvent | undefined;
}

/**
 * Decodes records of our own datapath by what they have in common: those of one pod's connections to another differ in
 * little but ports and lengths, so the rest is decoded once, and the events share it (`form`). Made for packets of the
 * commonest form (see {@link plainTransport}); all others are decoded one by one.
 */
export class EventForms {
  readonly #decode: (record: RecordFrame) => MonitorEvent;
  readonly #forms = new Map<number, Form>();
  /** Of the record at hand. */
  readonly #key = new Uint32Array(maxKeyWords);
  #keyWords = 0;

  /** @param decode the whole event of a record */
  constructor(decode: (record: RecordFrame) => MonitorEvent) {
    this.#decode = decode;
  }

  /** Says what `decode` says, but for the record, which an event with a form does not have. */
  event(record: RecordFrame): MonitorEvent {
    const { bytes } = record;
    const packetAt = headerBytes[bytes[0] ?? 0] ?? bytes.length;
    const packetEnd = Math.min(bytes.length, packetAt + (bytes[capturedAt]! | (bytes[capturedAt + 1]! << 8)));
    const portsAt = plainTransport(bytes, packetAt, packetEnd);
    if (portsAt === 0) return this.#decode(record);
    const hash = this.#readKey(record, packetAt, portsAt);
    const form = this.#forms.get(hash);
    if (form === undefined) return this.#addForm(hash, record, portsAt);
    if (form.event === undefined || !this.#hasKey(form)) return this.#decode(record);
    return eventOfForm(form.event, record, portsAt);
  }

  /** Everything that the event is made of, but what it has of its own. */
  #readKey({ bytes, cpu }: RecordFrame, packetAt: number, portsAt: number): number {
    const ip = packetAt + ipAt;
    const isIpv6 = be16(bytes, ip - 2) === etherTypes.ipv6;
    const protocol = isIpv6 ? bytes[ip + 6]! : bytes[ip + ipv4ProtocolAt]!;
    const flags = protocol === tcp ? bytes[portsAt + tcpFlagsAt]! : 0;
    this.#keyWords = 0;
    this.#key[this.#keyWords++] = cpu === undefined ? 0 : 1;
    this.#addWords(bytes, 0, hashAt);
    this.#addWords(bytes, versionAt + 2, packetAt);
    this.#addWords(bytes, packetAt, packetAt + 12);
    this.#key[this.#keyWords++] = (bytes[versionAt]! << 24) | (bytes[versionAt + 1]! << 16) | be16(bytes, ip - 2);
    this.#key[this.#keyWords++] = (protocol << 8) | flags;
    const addressesAt = ip + (isIpv6 ? ipv6AddressesAt : ipv4AddressesAt);
    this.#addWords(bytes, addressesAt, isIpv6 ? portsAt : addressesAt + 8);
    let hash = 0;
    for (let i = 0; i < this.#keyWords; i++)
      hash = Math.imul(((hash << 5) | (hash >>> 27)) ^ this.#key[i]!, 0x9e3779b1);
    return hash;
  }

  #addWords(bytes: Uint8Array, start: number, end: number): void {
    for (let at = start; at < end; at += 4) this.#key[this.#keyWords++] = le32(bytes, at);
  }

  #hasKey({ key }: Form): boolean {
    if (key.length !== this.#keyWords) return false;
    for (let i = 0; i < key.length; i++) if (key[i] !== this.#key[i]) return false;
    return true;
  }

  /** The first record of a form is decoded whole, and handed on so where it has more of its own than a form allows. */
  #addForm(hash: number, record: RecordFrame, portsAt: number): MonitorEvent {
    if (this.#forms.size >= maxForms) this.#forms.clear();
    const whole = this.#decode(record);
    const event = canBeForm(whole, record.bytes, portsAt) ? { ...whole, record: undefined } : undefined;
    // An interface that is too new to have a name has one the next time.
    if (whole.interfaceIndex === undefined || whole.interfaceName !== undefined)
      this.#forms.set(hash, { key: this.#key.slice(0, this.#keyWords), event });
    return event === undefined ? whole : eventOfForm(event, record, portsAt);
  }
}

function eventOfForm(form: MonitorEvent, { bytes, cpu, timeMs }: RecordFrame, portsAt: number): MonitorEvent {
  return {
    ...form,
    form,
    cpu,
    receivedAtMs: timeMs,
    packet: { ...form.packet, sourcePort: be16(bytes, portsAt), destinationPort: be16(bytes, portsAt + 2) },
    lengthBytes: le32(bytes, lengthAt),
    flowHash: le32(bytes, hashAt),
  };
}

/** Whether the packet was taken for what it is: another header before it, or a tunnel around it, are read otherwise. */
function canBeForm({ packet, outer }: MonitorEvent, bytes: Uint8Array, portsAt: number): boolean {
  const { sourceMac, sourcePort, destinationPort } = packet ?? {};
  if (outer !== undefined || sourceMac === undefined) return false;
  return sourcePort === be16(bytes, portsAt) && destinationPort === be16(bytes, portsAt + 2);
}

function le32(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

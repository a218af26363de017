import type { IpAddress } from "../lib/ip.js";
import type { AddressName, CtDirection, CtState, L4Address, NodeRowBase } from "./rows.js";

/** What conntrack entries can be counted by. */
export const ctDimensions = ["service", "pod", "node", "identity", "proto", "state", "direction"] as const;
export type CtDimension = (typeof ctDimensions)[number];

/** Groups that a node counts apart; its memory for them is some MB. */
export const defaultMaxGroups = 65_536;

/** What the entries of a group have in common; of what they are not counted by nothing is said. */
export interface CtGroupKey {
  /**
   * The frontends that stand for the entries' Service: of the one that the entry names, or else those that have its
   * destination as their backend. Empty when there is none.
   */
  readonly frontends?: readonly L4Address[];
  /** The end whose programs made the entries: the destination of incoming connections, else the source. */
  readonly pod?: IpAddress;
  readonly identity?: number;
  readonly protocol?: number;
  readonly state?: CtState;
  readonly direction?: CtDirection;
}

export interface CtCounts {
  readonly entries: number;
  /** What the entries counted, in both directions; undefined when the releases in question differ in it. */
  readonly packets: bigint | undefined;
  readonly bytes: bigint | undefined;
}

/** A group as one node counted it. */
export interface CtGroupRow extends NodeRowBase, CtCounts {
  /** Undefined for all entries of groups that came after the limit. */
  readonly key: CtGroupKey | undefined;
}

/** What is shown of a group: its key with names in place of addresses. */
export interface CtTopGroup {
  /** More than one when several Services have the connections' destination as their backend; empty when none has. */
  readonly services?: readonly (AddressName | L4Address)[];
  readonly pod?: AddressName | IpAddress;
  readonly node?: string;
  readonly identity?: number;
  /** Of the identity, where they are known. */
  readonly labels?: readonly string[] | undefined;
  readonly protocol?: number;
  readonly state?: CtState;
  readonly direction?: CtDirection;
}

/** A line of `bpf ct top`: a group over all nodes. */
export interface CtTopRow extends CtCounts {
  /** Undefined for what nodes did not count apart. */
  readonly group: CtTopGroup | undefined;
  /** Of all entries that were counted, from 0 to 1. */
  readonly share: number;
  /** Entries more than at the reading before; undefined at the first. */
  readonly change: number | undefined;
}

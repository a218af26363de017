import type { Drive } from "./traffic.js";

export interface Measurement {
  /** How many went well; 0 of `STREAM`. */
  readonly transactions: number;
  /** Transactions a second; bits a second for `STREAM`. */
  readonly rate: number;
  /** CPU time of the whole machine for one transaction; for one bit of `STREAM`. */
  readonly cpuSeconds: number;
  /** The client's alone, of the same amount: no time that others took is in it. */
  readonly clientCpuSeconds: number;
}

/** A way from a client to a server that can be measured again and again. */
export interface Topology extends AsyncDisposable {
  /** As the table names it. */
  readonly name: string;
  measure(how: Drive): Promise<Measurement>;
}

import type { Mode } from "./traffic.js";

/** A way from a client to a server that can be measured again and again. */
export interface Topology extends AsyncDisposable {
  /** As the table names it. */
  readonly name: string;
  /** Transactions a second, or bits a second for `STREAM`. */
  measure(mode: Mode, seconds: number): Promise<number>;
}

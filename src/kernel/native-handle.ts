import { KernelError } from "../lib/errors.js";
import type { NativeHandle as NativeFdHandle } from "./native-addon.js";

/**
 * What map, program and link handles share: one descriptor, closed by `close()`, by `using`, or at the latest when the
 * garbage collector takes the handle or the thread ends.
 */
export abstract class NativeHandle<Native extends NativeFdHandle> implements Disposable {
  readonly #native: Native;
  #isOpen = true;

  protected constructor(native: Native) {
    this.#native = native;
  }

  /** Whether a value was made by a constructor of these classes: a prototype says little. */
  static isMade(value: object): boolean {
    return #native in value;
  }

  /** For messages: `map cilium_ct4_global (id 12)`. */
  protected abstract describe(): string;

  /** The native side, or a KernelError `handle-closed` after close(). */
  protected use(operation: string): Native {
    if (this.#isOpen) return this.#native;
    throw new KernelError("handle-closed", `cannot ${operation}: ${this.describe()} is closed`, {
      details: { operation },
    });
  }

  /** The descriptor, valid until close(). @throws KernelError `handle-closed` */
  get fd(): number {
    return this.use("use the descriptor").fd();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** Closes the descriptor. A second call does nothing. */
  close(): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    this.#native.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

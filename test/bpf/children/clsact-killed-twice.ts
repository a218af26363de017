/**
 * Runs inside a network namespace: an agent dies after it has attached its program, the next one before it attaches its
 * own; prints what the third finds.
 */
import type { OwnerKind } from "../../../src/abi/owner.js";
import { ClsactHooks } from "../../../src/datapath/clsact-hooks.js";
import { Ownership } from "../../../src/datapath/ownership.js";
import { interfaceIndex } from "../../../src/kernel/net.js";
import { DatapathHarness } from "../harness.js";

const NAME = "lxc_1_ingress";
/** Two for each record that an attachment writes. */
const STEPS = 8;

/** Dies after a number of steps: each record has one before and one behind its write. */
class MortalOwnership extends Ownership {
  #stepsLeft = Number.POSITIVE_INFINITY;

  dieAfter(steps: number): void {
    this.#stepsLeft = steps;
  }

  override record(kind: OwnerKind, name: string, objectId: number): void {
    this.#step();
    super.record(kind, name, objectId);
    this.#step();
  }

  #step(): void {
    if (this.#stepsLeft-- === 0) throw new Error("killed");
  }
}

using datapath = new DatapathHarness();
const { fromContainer, toContainer, fromHost } = datapath.programs;
const installId = "11111111-2222-4333-8444-555555555555";
// The first one of a map writes the record of the installation.
new Ownership(datapath.get("cts_owner"), installId);
const ownership = new MortalOwnership(datapath.get("cts_owner"), installId);
const hooks = new ClsactHooks(ownership);
const hook = { ifindex: interfaceIndex("left") ?? 0, direction: "ingress" } as const;

async function startAndDie(program: typeof fromContainer, steps: number): Promise<void> {
  ownership.dieAfter(steps);
  try {
    await hooks.ensureDevice(NAME, program, hook);
  } catch {
    // As a killed process leaves it.
  }
  ownership.dieAfter(Number.POSITIVE_INFINITY);
}

await hooks.ensureDevice(NAME, fromContainer, hook);
// Every place at which the second and the third agent can die.
const failures: string[] = [];
for (let second = 0; second < STEPS; second++) {
  for (let third = 0; third < STEPS; third++) {
    try {
      await startAndDie(toContainer, second);
      await startAndDie(fromHost, third);
      await hooks.ensureDevice(NAME, fromHost, hook);
      if ((await hooks.find(NAME))?.programId !== fromHost.id) failures.push(`${second}, ${third}: not attached`);
      await hooks.ensureDevice(NAME, fromContainer, hook);
    } catch (error) {
      failures.push(`${second}, ${third}: ${(error as Error).message}`);
    }
  }
}
await hooks.remove(NAME);
process.stdout.write(JSON.stringify({ failures, left: (await hooks.list()).length }));

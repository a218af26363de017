/**
 * Runs inside a network namespace with a veth pair: pinned links that move from one device to another, with an agent that dies
 * at every step. Each case is named by the first argument, the second is the folder of the pins.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { OwnerKind } from "../../../src/abi/owner.js";
import { LinkSet } from "../../../src/datapath/link-set.js";
import { Ownership } from "../../../src/datapath/ownership.js";
import { BpfLink } from "../../../src/kernel/bpf-link.js";
import { queryTcx } from "../../../src/kernel/hook-query.js";
import { interfaceIndex } from "../../../src/kernel/net.js";
import { DatapathHarness } from "../harness.js";

const NAME = "lxc_1_ingress";
/** Two for each record that a replacement writes or removes. */
const STEPS = 6;

const [name = "", folder = ""] = process.argv.slice(2);

/** Dies after a number of steps: each record has one before and one behind its change. */
class MortalOwnership extends Ownership {
  #stepsLeft = Number.POSITIVE_INFINITY;
  /** Told at each step, before it may be the last. */
  onStep: () => void = () => {};

  dieAfter(steps: number): void {
    this.#stepsLeft = steps;
  }

  override record(kind: OwnerKind, record: string, objectId: number): void {
    this.#step();
    super.record(kind, record, objectId);
    this.#step();
  }

  override forget(kind: OwnerKind, record: string): void {
    this.#step();
    super.forget(kind, record);
    this.#step();
  }

  #step(): void {
    this.onStep();
    if (this.#stepsLeft-- === 0) throw new Error("killed");
  }
}

using datapath = new DatapathHarness();
const { fromContainer, toContainer } = datapath.programs;
const installId = "11111111-2222-4333-8444-555555555555";
// The first one of a map writes the record of the installation.
new Ownership(datapath.get("cts_owner"), installId);
const ownership = new MortalOwnership(datapath.get("cts_owner"), installId);
const links = new LinkSet({ folder, ownership });
const at = (device: string) => ({ ifindex: interfaceIndex(device) ?? 0, direction: "ingress" as const });
const programsAt = (device: string): readonly number[] =>
  queryTcx(at(device).ifindex, "ingress").programs.map(({ programId }) => programId);

async function moveAndDie(device: string, steps: number): Promise<void> {
  ownership.dieAfter(steps);
  try {
    await links.ensureDevice(NAME, fromContainer, at(device));
  } catch {
    // As a killed process leaves it.
  }
  ownership.dieAfter(Number.POSITIVE_INFINITY);
}

/** From `left` to `right`, dying at `first`, then dying at `second`, then living. Returns what went wrong. */
async function moveWithDeaths(first: number, second: number): Promise<readonly string[]> {
  const failures: string[] = [];
  const say = (words: string): void => void failures.push(`${first}, ${second}: ${words}`);
  await links.ensureDevice(NAME, fromContainer, at("left"));
  const check = (when: string): void => {
    if (programsAt("left").length + programsAt("right").length === 0) say(`no program ${when}`);
  };
  ownership.onStep = () => check("in between");
  try {
    await moveAndDie("right", first);
    check("after the first death");
    await moveAndDie("right", second);
    check("after the second death");
    await links.ensureDevice(NAME, fromContainer, at("right"));
    ownership.onStep = () => {};
    if (programsAt("left").length > 0) say("the old device keeps its program");
    const pins = readdirSync(folder).join();
    if (programsAt("right").join() !== String(fromContainer.id)) say(`at right: ${programsAt("right")}`);
    if (pins !== NAME) say(`pins: ${pins}`);
    using link = BpfLink.openPinned(join(folder, NAME));
    if (!ownership.owns("link", NAME, link.id)) say("the record names another link");
  } catch (error) {
    say((error as Error).message);
  }
  ownership.onStep = () => {};
  await links.remove(NAME);
  const records = ownership.names("link");
  if (records.length > 0) say(`records without a link: ${records}`);
  return failures;
}

function pinNextAt(device: string): void {
  using link = BpfLink.attachTcx({ ...at(device), program: fromContainer });
  ownership.record("link", `${NAME}__next`, link.id);
  link.pin(join(folder, `${NAME}__next`));
}

const cases: Readonly<Record<string, () => Promise<unknown>>> = {
  async killed() {
    const failures: string[] = [];
    for (let first = 0; first < STEPS; first++) {
      for (const second of [0, 1, 3, STEPS]) failures.push(...(await moveWithDeaths(first, second)));
    }
    return { failures, left: readdirSync(folder) };
  },

  /** Killed between the new link's pin and the moment when it takes the old one's name. */
  async halfReplaced() {
    const wishes: Readonly<Record<string, () => Promise<void>>> = {
      right: () => links.ensureDevice(NAME, fromContainer, at("right")),
      left: () => links.ensureDevice(NAME, fromContainer, at("left")),
      nothing: () => links.remove(NAME),
    };
    const ends: Record<string, unknown> = {};
    for (const [wish, act] of Object.entries(wishes)) {
      await links.ensureDevice(NAME, fromContainer, at("left"));
      pinNextAt("right");
      const pins = readdirSync(folder).length;
      await act();
      const programs = { left: programsAt("left").length, right: programsAt("right").length };
      ends[wish] = { pins, programs, after: readdirSync(folder), records: ownership.names("link") };
      await links.remove(NAME);
    }
    return ends;
  },

  async deviceGone() {
    await links.ensureDevice(NAME, fromContainer, at("left"));
    execFileSync("ip", ["link", "delete", "left"]);
    const isDead = (await links.find(NAME))?.ifindex === 0;
    execFileSync("ip", ["link", "add", "left", "type", "veth", "peer", "name", "right"]);
    await links.ensureDevice(NAME, toContainer, at("left"));
    return { isDead, isAttached: programsAt("left").join() === String(toContainer.id), pins: readdirSync(folder) };
  },

  async listedMeanwhile() {
    const failures: string[] = [];
    let isDone = false;
    const reading = (async () => {
      while (!isDone) {
        await links.list().catch((error: Error) => failures.push(error.message));
        await new Promise((resolve) => setImmediate(resolve));
      }
    })();
    for (let round = 0; round < 4; round++) {
      await links.ensureDevice(NAME, fromContainer, at("left"));
      await links.ensureDevice(NAME, fromContainer, at("right"));
      await links.remove(NAME);
    }
    isDone = true;
    await reading;
    return { failures, left: readdirSync(folder) };
  },

  async foreign() {
    await Promise.all([
      links.ensureDevice("lxc_1_ingress", fromContainer, at("left")),
      links.ensureDevice("lxc_1_egress", toContainer, { ...at("left"), direction: "egress" }),
    ]);
    const names = links.names();
    rmSync(join(folder, NAME));
    using foreign = BpfLink.attachTcx({ ...at("right"), program: fromContainer });
    foreign.pin(join(folder, NAME));
    const refused = await links.ensureDevice(NAME, fromContainer, at("left")).catch((error) => error.code);
    return { names, refused };
  },
};

process.stdout.write(JSON.stringify(await cases[name]?.()));

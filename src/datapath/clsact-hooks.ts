import type { BpfProgram } from "../kernel/bpf-program.js";
import { attachClsact, detachClsact, listTcFilters, type TcFilter } from "../kernel/tc-filter.js";
import { KernelError } from "../lib/errors.js";
import type { DeviceHook, DeviceHooks, HookFacts } from "./device-hooks.js";
import type { Ownership } from "./ownership.js";

/** Our place on every device. Foreign filters with a lower number run before ours, the others behind. */
const PRIORITY = 0xc75;
const HANDLE = 1;

/** Suffix of the record of a program that is about to take another's place. */
const NEXT = ".next";

/** Suffix of the record that says which device a filter is on. */
const ON_DEVICE = "@clsact";

const DIRECTIONS = ["ingress", "egress"] as const;

/**
 * Attachments by clsact filters. The kernel has no names for them, so the ownership records hold which program of ours
 * sits on which device. The qdisc stays when a filter goes: others may have filters on it. Each method is one synchronous step,
 * because it writes by what it has read; the kernel's RTNL lock may make it wait for another device's removal.
 */
export class ClsactHooks implements DeviceHooks {
  readonly #ownership: Ownership;

  constructor(ownership: Ownership) {
    this.#ownership = ownership;
  }

  async ensureDevice(name: string, program: BpfProgram, hook: DeviceHook): Promise<void> {
    const present = filterAt(hook);
    const records = [name, name + NEXT];
    const isOurs = records.some((record) => this.#ownership.owns("program", record, present?.programId ?? 0));
    if (present !== undefined && !isOurs) throw foreignFilter(hook, present);
    // A killed agent's NEXT may be all that names the present filter: it must not be overwritten before this is said.
    if (present?.programId !== undefined) this.#ownership.record("program", name, present.programId);
    this.#ownership.record("device", name + ON_DEVICE, hook.ifindex);
    // The new program is recorded before it is attached, the old one until after: whichever the kernel holds when the
    // agent dies here, the next one knows it as ours.
    this.#ownership.record("program", name + NEXT, program.id);
    if (present?.programId !== program.id) {
      attachClsact({ program, ...hook, priority: PRIORITY, handle: HANDLE, replace: present !== undefined });
    }
    this.#ownership.record("program", name, program.id);
    this.#ownership.forget("program", name + NEXT);
  }

  async find(name: string): Promise<HookFacts | undefined> {
    return this.#find(name);
  }

  #find(name: string): HookFacts | undefined {
    const ifindex = this.#ownership.objectId("device", name + ON_DEVICE);
    const programId = this.#ownership.objectId("program", name);
    if (ifindex === undefined || programId === undefined) return undefined;
    const filter = DIRECTIONS.map((direction) => filterAt({ ifindex, direction })).find(
      (candidate) => candidate?.programId === programId,
    );
    return filter === undefined ? undefined : { name, programId, ifindex };
  }

  names(): readonly string[] {
    return this.#ownership.names("program").filter((name) => !name.endsWith(NEXT));
  }

  async list(): Promise<readonly HookFacts[]> {
    return this.names().flatMap((name) => this.#find(name) ?? []);
  }

  async remove(name: string): Promise<void> {
    const ifindex = this.#ownership.objectId("device", name + ON_DEVICE);
    const programId = this.#ownership.objectId("program", name);
    if (ifindex === undefined || programId === undefined) return;
    for (const direction of DIRECTIONS) {
      const hook = { ifindex, direction };
      if (filterAt(hook)?.programId === programId) detachClsact({ ...hook, priority: PRIORITY, handle: HANDLE });
    }
    this.#ownership.forget("program", name);
    this.#ownership.forget("device", name + ON_DEVICE);
  }
}

function filterAt(hook: DeviceHook): TcFilter | undefined {
  try {
    return listTcFilters(hook.ifindex, hook.direction).find(
      (filter) => filter.priority === PRIORITY && filter.handle === HANDLE,
    );
  } catch (error) {
    // The device is gone, and its filters with it.
    if (error instanceof KernelError && error.details.errno === "ENODEV") return undefined;
    throw error;
  }
}

function foreignFilter(hook: DeviceHook, filter: TcFilter): KernelError {
  return new KernelError(
    "foreign-filter",
    `interface ${hook.ifindex} has a foreign ${hook.direction} filter in our place`,
    {
      hint: `Its priority is ${filter.priority}, its name ${filter.name}; nothing was changed.`,
      nextSteps: [`look at it: tc filter show dev <interface ${hook.ifindex}> ${hook.direction}`],
      details: { ...hook, programId: filter.programId },
    },
  );
}

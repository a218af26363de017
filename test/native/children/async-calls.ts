/**
 * Calls that wait on a thread of libuv's pool, each case named by the first argument; runs inside a network namespace with
 * a veth pair and prints a JSON answer when all is well. Needs --expose-gc for the cases that collect garbage.
 */
import { once } from "node:events";
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import { BpfLink } from "../../../src/kernel/bpf-link.js";
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BpfObject } from "../../../src/kernel/bpf-object.js";
import { BpfProgram } from "../../../src/kernel/bpf-program.js";
import { queryTcx } from "../../../src/kernel/hook-query.js";
import { interfaceIndex } from "../../../src/kernel/net.js";
import { openDescriptors } from "../open-descriptors.js";
import { startWorker } from "./start-worker.js";

const innerSpec = { type: "array", name: "inner", keySizeBytes: 4, valueSizeBytes: 8, maxEntries: 1 } as const;
const key = Buffer.from([1, 0, 0, 0]);
const hook = { ifindex: interfaceIndex("left") ?? 0, direction: "ingress" } as const;

function loadProgram(objectPath: string): BpfProgram {
  using object = BpfObject.open(objectPath);
  using inner = BpfMap.create(innerSpec);
  object.setInnerMap("policies", inner);
  object.load();
  return object.program("sample_next");
}

function createOuter(): BpfMap {
  using innerMap = BpfMap.create(innerSpec);
  return BpfMap.create({
    ...{ type: "hash_of_maps", name: "outer", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 64 },
    innerMap,
  });
}

const attachedPrograms = (): readonly number[] => queryTcx(hook.ifindex, "ingress").programs.map((at) => at.programId);

/** What a promise rejects with, in short. */
async function refusal(call: Promise<unknown>): Promise<string> {
  try {
    await call;
    return "no error";
  } catch (error) {
    const { code, details } = error as { code: string; details: { errno?: string } };
    return details.errno === undefined ? code : `${code} ${details.errno}`;
  }
}

const cases: Readonly<Record<string, (objectPath: string, bpffs: string) => unknown>> = {
  /** Attach, open by pin, replace, detach: each as its synchronous counterpart. */
  async attach(objectPath, bpffs) {
    using program = loadProgram(objectPath);
    using newer = loadProgram(objectPath);
    using link = await BpfLink.attachTcxAsync({ ...hook, program });
    const isAttached = attachedPrograms().includes(program.id);
    const isSame = JSON.stringify(link.openedInfo) === JSON.stringify(link.info);
    link.pin(`${bpffs}/async-link`);
    using reopened = await BpfLink.openPinnedAsync(`${bpffs}/async-link`);
    await reopened.updateAsync(newer);
    const programs = [reopened.openedInfo.programId === program.id, link.info.programId === newer.id];
    await reopened.detachAsync();
    link.unpin(`${bpffs}/async-link`);
    return { isAttached, isSame, programs, left: attachedPrograms(), ifindex: link.info.ifindex };
  },

  /** Errors are those of the synchronous calls, as rejections. */
  async refused(objectPath, bpffs) {
    using program = loadProgram(objectPath);
    using outer = createOuter();
    using plain = BpfMap.create(innerSpec);
    using link = await BpfLink.attachTcxAsync({ ...hook, program });
    const closed = await BpfLink.attachTcxAsync({ ...hook, direction: "egress", program });
    closed.close();
    using otherShape = BpfMap.create({ ...innerSpec, type: "hash" });
    return {
      again: await refusal(BpfLink.attachTcxAsync({ ...hook, program })),
      noDevice: await refusal(BpfLink.attachTcxAsync({ ...hook, ifindex: 4000, program })),
      badDirection: await refusal(BpfLink.attachTcxAsync({ ...hook, direction: "up" as "ingress", program })),
      noProgram: await refusal(BpfLink.attachTcxAsync({ ...hook, program: {} as BpfProgram })),
      noPin: await refusal(BpfLink.openPinnedAsync(`${bpffs}/nothing`)),
      noPath: await refusal(BpfLink.openPinnedAsync("")),
      noNewProgram: await refusal(link.updateAsync({} as BpfProgram)),
      closedUpdate: await refusal(closed.updateAsync(program)),
      closedDetach: await refusal(closed.detachAsync()),
      plainMap: await refusal(plain.updateInnerAsync(key, plain)),
      noMap: await refusal(outer.updateInnerAsync(key, {} as BpfMap)),
      shortKey: await refusal(outer.updateInnerAsync(Buffer.alloc(3), plain)),
      otherShape: await refusal(outer.updateInnerAsync(key, otherShape)),
      absent: await refusal(outer.updateInnerAsync(key, plain, "replace")),
      shortKeys: await refusal(outer.updateInnersAsync(key, [plain, plain])),
      deletedAbsent: await outer.deleteAsync(key),
      notAllShapes: await refusal(outer.updateInnersAsync(Buffer.concat([key, key]), [plain, otherShape])),
      shortDelete: await refusal(outer.deleteAsync(Buffer.alloc(5))),
    };
  },

  /** Every handle is closed in the turn in which the call was made; the calls do their work all the same. */
  async closedWhilePending(objectPath, bpffs) {
    const before = openDescriptors();
    const program = loadProgram(objectPath);
    const newer = loadProgram(objectPath);
    const ids = { program: program.id, newer: newer.id };
    const attaching = BpfLink.attachTcxAsync({ ...hook, program });
    program.close();
    const link = await attaching;
    const attached = attachedPrograms();
    link.pin(`${bpffs}/closed`);
    const updating = link.updateAsync(newer);
    newer.close();
    link.close();
    await updating;
    const updated = attachedPrograms();
    const last = BpfLink.openPinned(`${bpffs}/closed`);
    const detaching = last.detachAsync();
    last.unpin(`${bpffs}/closed`);
    last.close();
    await detaching;
    const detached = attachedPrograms();
    const outer = createOuter();
    using sameOuter = BpfMap.openById(outer.info.id);
    const inner = BpfMap.create(innerSpec);
    const writing = outer.updateInnerAsync(key, inner);
    inner.close();
    outer.close();
    await writing;
    const isThere = sameOuter.lookup(key)?.readUInt32LE() === inner.info.id;
    const copy = BpfMap.openById(outer.info.id);
    const deleting = copy.deleteAsync(key);
    copy.close();
    const wasDeleted = await deleting;
    sameOuter.close();
    return {
      ...{ attached: attached.length === 1 && attached[0] === ids.program, updated: updated[0] === ids.newer },
      ...{ detached, isThere, wasDeleted, left: openDescriptors() - before },
    };
  },

  /** Nobody holds the handles while the calls run, and the collector does its best. */
  async collectedWhilePending(objectPath) {
    using program = loadProgram(objectPath);
    using other = loadProgram(objectPath);
    using outer = createOuter();
    let left = 10;
    const isDone = new Promise<void>((resolve) => {
      const done = (): void => {
        if (--left === 0) resolve();
      };
      for (let index = 0; index < 4; index++) {
        const own = Buffer.from([index, 0, 0, 0]);
        BpfMap.openById(outer.info.id).updateInnerAsync(own, BpfMap.create(innerSpec)).then(done);
        BpfMap.openById(outer.info.id).deleteAsync(own).then(done);
      }
      BpfLink.attachTcxAsync({ ...hook, program }).then(done);
      BpfLink.attachTcxAsync({ ...hook, program: other }).then((link) => link.detachAsync().then(done));
    });
    while (left > 0) {
      globalThis.gc?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    await isDone;
    // The links have no owner: their attachments go with them.
    for (let round = 0; round < 200 && attachedPrograms().length > 0; round++) {
      globalThis.gc?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return { left, attached: attachedPrograms() };
  },

  /** Worker threads are terminated with calls under way: nothing stays attached, no descriptor stays open. */
  async terminatedWhilePending(objectPath) {
    using program = loadProgram(objectPath);
    using outer = createOuter();
    const before = openDescriptors();
    for (let round = 0; round < 5; round++) {
      const worker = startWorker(import.meta.url, { programId: program.id, outerId: outer.info.id });
      await once(worker, "message");
      await worker.terminate();
    }
    return { left: openDescriptors() - before, attached: attachedPrograms() };
  },

  /** process.exit() with calls under way. */
  exitWhilePending(objectPath) {
    const program = loadProgram(objectPath);
    const outer = createOuter();
    void BpfLink.attachTcxAsync({ ...hook, program });
    void outer.updateInnerAsync(key, BpfMap.create(innerSpec));
    process.stdout.write(JSON.stringify({ open: true }), () => process.exit(0));
    return undefined;
  },

  /** A call under way keeps the process alive, as any other request does. */
  async pendingHoldsTheProcess(objectPath) {
    const program = loadProgram(objectPath);
    await BpfLink.attachTcxAsync({ ...hook, program });
    return { resolved: true };
  },
};

function workInThread(): void {
  const { programId, outerId } = workerData as { programId: number; outerId: number };
  const program = BpfProgram.openById(programId);
  const outer = BpfMap.openById(outerId);
  void BpfLink.attachTcxAsync({ ...hook, program }).then((link) => link.updateAsync(program));
  for (let index = 0; index < 8; index++) {
    const own = Buffer.from([index, 0, 0, 0]);
    void outer.updateInnerAsync(own, BpfMap.create(innerSpec)).then(() => outer.deleteAsync(own));
  }
  parentPort?.postMessage("pending");
}

if (isMainThread) {
  const [name = "", objectPath = "", bpffs = ""] = process.argv.slice(2);
  const answer = await cases[name]?.(objectPath, bpffs);
  if (answer !== undefined) process.stdout.write(JSON.stringify(answer));
} else {
  workInThread();
}

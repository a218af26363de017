import { setImmediate } from "node:timers/promises";
import { frontendKey } from "../../../src/datapath/service-entries.js";
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { IpAddress } from "../../../src/lib/ip.js";
import { type KubeService, resourceTypes } from "../../../src/model/kubernetes.js";
import { FolderStateSource } from "../../../src/state/folder-state-source.js";
import { BenchLab } from "../bench-lab.js";
import { measurePolicyWrites } from "./policy-writes.js";
import type { Stage, StageContext, StageTable } from "./stage.js";
import { describeTimes } from "./times.js";

const serviceCounts = [1, 10_000] as const;
/** What a change takes at the most; nothing came after that. */
const deadlineMs = 30_000;
/** A change is short: many make a p99 that means something. */
const changesPerRound = 20;

export const changesStage: Stage = {
  title: "From a change to the kernel",
  async measure(context) {
    const rounds = context.settings.rounds * changesPerRound;
    return { tables: [await measureServices(context, rounds), await measurePolicyWrites(context)] };
  },
};

async function measureServices({ settings }: StageContext, rounds: number): Promise<StageTable> {
  await using lab = await BenchLab.open("bench-change", "socket LB");
  const rows: string[][] = [];
  for (const count of serviceCounts) {
    // One more than the two that every bench lab has: it is the one that changes.
    await lab.growTo(count + 1);
    rows.push([count.toLocaleString("en-US"), ...describeTimes(await changeService(lab, rounds, settings.signal))]);
  }
  return {
    title: "A Service's port changes",
    intro:
      "From before the object's file is written until the new frontend is found in the map of a node, asked again and again from outside " +
      "by a process on the same cores; two agents see the change.",
    head: ["Services", "changes", "p50", "p99", "longest"],
    rows,
  };
}

/** Milliseconds of each change of the first filler Service, between two ports. */
async function changeService(lab: BenchLab, rounds: number, signal: AbortSignal): Promise<readonly number[]> {
  await using state = await FolderStateSource.open(lab.stateDir);
  using map = BpfMap.openPinned(lab.pinPath("bench-1", "cilium_lb4_services_v2"), { readOnly: true });
  const times: number[] = [];
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    times.push(await changeOnce(state, map));
  }
  return times;
}

async function changeOnce(state: FolderStateSource, map: BpfMap): Promise<number> {
  const service = await state.get(resourceTypes.services, { namespace: "filler", name: "filler-1" });
  if (service?.spec.clusterIP === undefined) throw new Error("the lab has no Service filler/filler-1");
  const port = service.spec.ports?.[0]?.port === 80 ? 81 : 80;
  const changed: KubeService = {
    ...service,
    spec: { ...service.spec, ports: [{ port, protocol: "TCP", targetPort: 80 }] },
  };
  const key = frontendKey({ address: IpAddress.parse(service.spec.clusterIP), port, protocol: 6, scope: 0 }, 0);
  const startedMs = performance.now();
  await state.update(resourceTypes.services, changed);
  while (map.lookup(key) === undefined) {
    if (performance.now() - startedMs > deadlineMs) throw new Error(`port ${port} is not in the map after 30 s`);
    await setImmediate();
  }
  return performance.now() - startedMs;
}

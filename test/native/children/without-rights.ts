/** Runs without capabilities: prints the errors that a user then reads. */
import { BpfMap } from "../../../src/kernel/bpf-map.js";
import { BpfObject } from "../../../src/kernel/bpf-object.js";
import { probeKernelFeatures } from "../../../src/kernel/features.js";
import { listMapIds } from "../../../src/kernel/object-ids.js";

const [objectPath = "", pin = ""] = process.argv.slice(2);
const spec = { type: "hash", name: "cts_t_rights", keySizeBytes: 4, valueSizeBytes: 4, maxEntries: 1 } as const;
const attempts: Readonly<Record<string, () => unknown>> = {
  create: () => BpfMap.create({ ...spec, type: "lpm_trie", keySizeBytes: 8 }),
  open: () => BpfMap.openPinned(pin),
  load: () => BpfObject.open(objectPath).load(),
  list: () => listMapIds(),
  probe: () => probeKernelFeatures(),
};
const answers = Object.entries(attempts).map(([name, attempt]) => {
  try {
    attempt();
    return [name, { code: "no error" }];
  } catch (error) {
    const { code, hint, details, exitCode } = error as {
      code: string;
      hint: string;
      details: object;
      exitCode: number;
    };
    return [name, { code, hint, errno: (details as { errno?: string }).errno, exitCode }];
  }
});
process.stdout.write(JSON.stringify(Object.fromEntries(answers)));

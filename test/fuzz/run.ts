import { parseArgs } from "node:util";
import { type FuzzReport, fuzz } from "./fuzz.js";
import { fuzzTargets } from "./targets.js";

/**
 * `npm run fuzz -- --minutes 60 [--seed 1]`: goes round all targets until the time is over, with another seed each round.
 * Prints a line for each target; ends with 1 and the failing inputs when there are any.
 */
const { values } = parseArgs({
  options: { minutes: { type: "string", default: "1" }, seed: { type: "string", default: "1" } },
});
const inputsPerTurn = 2_000;
const until = performance.now() + Number(values.minutes) * 60_000;
const targets = fuzzTargets();
const totals = new Map<string, { inputs: number; refused: number }>();
const failures: FuzzReport["failures"][number][] = [];

let seed = Number(values.seed);
for (; performance.now() < until && failures.length < 20; seed++) {
  for (const target of targets) {
    if (performance.now() >= until) break;
    const report = fuzz(target, { seed, inputs: inputsPerTurn });
    const total = totals.get(target.name) ?? { inputs: 0, refused: 0 };
    total.inputs += report.inputs;
    total.refused += report.refused;
    totals.set(target.name, total);
    failures.push(...report.failures);
  }
}

for (const [name, { inputs, refused }] of totals) console.log(`${name}: ${inputs} inputs, ${refused} refused`);
const inputs = [...totals.values()].reduce((sum, total) => sum + total.inputs, 0);
console.log(
  `fuzz: ${targets.length} targets, ${inputs} inputs, ${failures.length} failures, seeds ${values.seed} to ${seed - 1}`,
);
for (const failure of failures.slice(0, 20)) console.log(`${failure.target} ${failure.what}: ${failure.inputHex}`);
if (failures.length > 0) process.exitCode = 1;

import { defineConfig } from "vitest/config";
import { suites } from "./scripts/tests/suites.js";

/** How long a test may hang, not how fast it must be: suites with labs also run on busy machines of two cores. */
/** A long run kills an agent before each of some hundred writes, within one test. */
const hangMs = { computing: 60_000, withKernel: process.env.CTS_TEST_LONG === "1" ? 3_600_000 : 300_000 } as const;

/**
 * One project a suite. Suites that only compute run their files side by side; those that load programs into the kernel
 * share it, and run one file at a time, each in a process of its own (an addon cannot be unloaded from a thread).
 */
export default defineConfig({
  test: {
    projects: suites.map(({ name, needsRoot }) => ({
      test: {
        name,
        include: [`test/${name}/**/*.test.ts`],
        globalSetup: needsRoot ? ["test/support/sweep-orphans.ts"] : [],
        setupFiles: name === "property" ? ["test/support/property-seed.ts"] : [],
        pool: "forks" as const,
        fileParallelism: !needsRoot,
        testTimeout: needsRoot ? hangMs.withKernel : hangMs.computing,
        hookTimeout: needsRoot ? hangMs.withKernel : hangMs.computing,
      },
    })),
  },
});

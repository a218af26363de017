/** The suites of `test/`, in the order they run: what only computes first. Each is a folder and a vitest project. */
export interface Suite {
  readonly name: string;
  /** Loads programs, makes namespaces: needs root and has the kernel to itself. */
  readonly needsRoot: boolean;
  /** Run once more on every other Node at hand: pure code, the command line, the addon. */
  readonly onEveryRuntime: boolean;
}

export const suites: readonly Suite[] = [
  { name: "unit", needsRoot: false, onEveryRuntime: true },
  { name: "property", needsRoot: false, onEveryRuntime: false },
  { name: "command", needsRoot: false, onEveryRuntime: true },
  { name: "state", needsRoot: false, onEveryRuntime: false },
  { name: "session", needsRoot: false, onEveryRuntime: false },
  { name: "native", needsRoot: true, onEveryRuntime: true },
  { name: "bpf", needsRoot: true, onEveryRuntime: false },
  { name: "netns", needsRoot: true, onEveryRuntime: false },
  { name: "e2e", needsRoot: true, onEveryRuntime: false },
  { name: "package", needsRoot: true, onEveryRuntime: false },
];

/** Runs of the property suite with a fresh seed each that `--long` adds to the one with the fixed seed. */
export const longPropertyRuns = 20;

/**
 * Features that the datapath does without (`CTS_DISABLE_FEATURES`): clsact instead of tcx, single calls instead of batch
 * calls. Not ring buffers: where there are none (before 5.8) the agent does not start.
 */
export const featuresWithFallback = ["tcx", "batch", "btf"] as const;

export const fallbackSuites: Readonly<Record<"normal" | "long", readonly string[]>> = {
  normal: ["bpf"],
  long: ["bpf", "netns"],
};

/** What `npm run test:long` adds; tests that are long read `CTS_TEST_LONG=1`. */
export const leftToLong: readonly string[] = [
  `the property suite ${longPropertyRuns} times more, each with a fresh seed`,
  "netns: 20 nodes with 10 pods each; agents killed before each of their writes, not before some",
  "netns without tcx, without batch calls and without BTF, as bpf is run",
  "bpf: 400,000 packets of all kinds instead of 20,000; at the node's edge 250,000 whole ones and 125,000 broken ones instead of 10,000 each",
  "native: 100,000 rounds of opening and closing each kind of handle, fewer of those that take the kernel 1 ms and more",
  "the native suite under address and undefined-behaviour sanitizers, its misuse table under valgrind",
  "the addon compiled for arm64 by a cross-compiler",
];

/** What no run covers for want of a machine. */
export const neverRun: readonly string[] = ["every suite that loads the addon or a program, on arm64"];

/**
 * The demonstration: brings up a lab of two nodes, sends traffic through a Service, and asks the kernel what happened.
 * Every line that begins with `$` is a command as a user types it, run for real; what follows is what it printed.
 *
 *   npm run demo
 */
import { spawn } from "node:child_process";
import { join } from "node:path";

const root = join(import.meta.dirname, "..");
const labName = "demo";

interface Step {
  /** What the reader is about to see. */
  readonly say: string;
  readonly args: readonly string[];
  /** The command shall fail: a connection to nowhere. */
  readonly fails?: boolean;
}

const inClient = ["lab", "exec", "--name", labName, "-n", "shop", "client", "--"];
const read = (...args: string[]): readonly string[] => [...args, "--lab", labName];

const steps: readonly Step[] = [
  {
    say: "A lab: two nodes, four pods, our eBPF programs on every one of their interfaces.",
    args: ["lab", "up", "--name", labName, "-f", "examples/demo"],
  },
  { say: "What came up.", args: read("status") },
  {
    say: "The client asks the Service eight times over HTTP; the pods behind it answer with their names and nodes.",
    args: [...inClient, "cts-lab", "http", "--count", "8", "http://10.96.0.80/"],
  },
  {
    say: "And once over UDP, on the Service's other port.",
    args: [...inClient, "cts-lab", "udp", "10.96.0.80", "53", "hello"],
  },
  {
    say: "The client's connections as the kernel tracks them, on both nodes, with the names of both ends.",
    args: read("bpf", "ct", "list", "--pod", "shop/client"),
  },
  { say: "Services as the datapath has them: frontends and their backends.", args: read("service", "list") },
  { say: "The overlay: which node holds which pod prefix.", args: read("bpf", "tunnel", "list") },
  {
    say: "Which backend did the client's connections go to? By evidence from the kernel.",
    args: read("which", "shop/client", "--to", "shop/cart"),
  },
  {
    say: "Now a connection to an address in node-2's prefix that no pod has: it fails …",
    args: [...inClient, "cts-lab", "tcp", "--timeout-ms", "700", "10.244.1.250", "80"],
    fails: true,
  },
  {
    say: "… and the kernel says where and why it was dropped.",
    args: read("bpf", "metrics", "list"),
  },
];

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs the command line on this terminal. It gets Ctrl-C itself; the demonstration then ends after it. */
async function runCli(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [join(root, "bin/kubectl-cilium_ts"), ...args], {
    cwd: root,
    stdio: "inherit",
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code, signal) => resolve(code ?? (signal === "SIGINT" ? 130 : 1)));
  });
}

async function runStep({ say, args, fails = false }: Step): Promise<void> {
  const words = args.map((word) => (/[\s]/.test(word) ? `"${word}"` : word)).join(" ");
  print(`\n# ${say}\n$ kubectl cilium-ts ${words}`);
  const code = await runCli(args);
  if (fails ? code === 0 : code !== 0) throw new Error(`the command ended with ${code}`);
}

async function main(): Promise<void> {
  let isInterrupted = false;
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => (isInterrupted = true));
  const startedMs = Date.now();
  try {
    for (const step of steps) {
      if (isInterrupted) break;
      await runStep(step);
    }
  } catch (error) {
    if (!isInterrupted) print(`\ndemo failed: ${error instanceof Error ? error.message : error}`);
    process.exitCode = 1;
  }
  if (isInterrupted) process.exitCode = 130;
  print(`\n# Everything the lab made is removed.\n$ kubectl cilium-ts lab down --name ${labName}`);
  const code = await runCli(["lab", "down", "--name", labName]);
  if (code !== 0) process.exitCode = process.exitCode || code;
  print(`\ndemo: ${process.exitCode ? "failed" : "done"} in ${((Date.now() - startedMs) / 1000).toFixed(0)} s`);
}

if (process.getuid?.() !== 0) {
  process.stderr.write("the demo makes network namespaces and loads eBPF programs: run it as root\n");
  process.exitCode = 2;
} else {
  await main();
}

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { commandLine, eventually, podManifest, TestLab } from "./support/lab-fixture.js";

const rounds = process.env.CTS_TEST_LONG === "1" ? 60 : 5;
const pods = ["a", "b", "c"] as const;
const ports = { http: 8080, lines: 9090 } as const;
const server = `image: echo
      ports: [{ name: http, containerPort: 8080 }, { name: lines, containerPort: 9090 }]`;

let lab: TestLab;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "cts-t-verdict-"));
  const manifests = pods.map((name, index) =>
    podManifest(name, { node: `node-${1 + (index % 2)}`, container: server }),
  );
  lab = await TestLab.start({ agentCommand: "own", manifests: manifests.join("") });
});
afterAll(async () => {
  rmSync(folder, { recursive: true });
  await lab[Symbol.asyncDispose]();
});

/** Exit code and output of the product's command line. */
async function run(...args: readonly string[]): Promise<{ readonly code: number | null; readonly stdout: string }> {
  const [program = "", ...first] = commandLine;
  const child = spawn(program, [...first, ...args]);
  let stdout = "";
  child.stdout.on("data", (piece: Buffer) => (stdout += piece.toString()));
  const code = await new Promise<number | null>((resolve) => child.once("exit", resolve));
  return { code, stdout };
}

const verdict = (from: string, to: string, port: number, ...more: readonly string[]) =>
  run("policy", "verdict", "--lab", lab.name, "--from", from, "--to", to, "--port", `${port}/tcp`, ...more);

const selector = fc.constantFrom({}, ...pods.map((app) => ({ matchLabels: { app } })));
const toPorts = fc.constantFrom(
  undefined,
  ...Object.values(ports).map((port) => [{ ports: [{ port: String(port), protocol: "TCP" }] }]),
);
const rule = (peer: "fromEndpoints" | "toEndpoints") =>
  fc.record({ selected: selector, toPorts }).map(({ selected, toPorts: only }) => ({
    [peer]: [selected],
    ...(only === undefined ? {} : { toPorts: only }),
  }));
const policy = fc.record(
  {
    endpointSelector: selector,
    ingress: fc.array(rule("fromEndpoints"), { maxLength: 2 }),
    ingressDeny: fc.array(rule("fromEndpoints"), { minLength: 1, maxLength: 1 }),
    egress: fc.array(rule("toEndpoints"), { maxLength: 2 }),
  },
  { requiredKeys: ["endpointSelector", "ingress"] },
);

/** Manifests of these policies; those of an earlier round with the same names are replaced. */
function manifestOf(specs: readonly unknown[]): string {
  const file = join(folder, "policies.json");
  const items = specs.map((spec, index) => {
    return { apiVersion: "cilium.io/v2", kind: "CiliumNetworkPolicy", metadata: { name: `p${index}` }, spec };
  });
  writeFileSync(file, JSON.stringify({ apiVersion: "v1", kind: "List", items }));
  return file;
}

const connections = pods.flatMap((from) =>
  pods.flatMap((to) => (from === to ? [] : Object.values(ports).map((port) => ({ from, to, port })))),
);

describe("policy verdict", () => {
  it("names the rule that allows, the rule that denies, and what is missing; 3 says no", async () => {
    const file = manifestOf([
      {
        endpointSelector: { matchLabels: { app: "a" } },
        ingress: [{ fromEndpoints: [{ matchLabels: { app: "b" } }] }],
      },
      {
        endpointSelector: { matchLabels: { app: "a" } },
        ingressDeny: [{ fromEntities: ["all"], toPorts: [{ ports: [{ port: "9090", protocol: "TCP" }] }] }],
      },
    ]);
    const open = await verdict("b", "a", 8080);
    expect([open.code, open.stdout]).toEqual([0, expect.stringContaining("no policy asks default/a for its ingress")]);
    const allowed = await verdict("b", "a", 8080, "-f", file);
    expect([allowed.code, allowed.stdout]).toEqual([
      0,
      expect.stringContaining("CiliumNetworkPolicy/default/p0 spec.ingress[0]"),
    ]);
    const denied = await verdict("b", "a", 9090, "-f", file);
    expect([denied.code, denied.stdout]).toEqual([
      3,
      expect.stringContaining("CiliumNetworkPolicy/default/p1 spec.ingressDeny[0]"),
    ]);
    const missing = await verdict("c", "a", 8080, "-f", file);
    const words = "no policy allows default/a ingress from default/c at 8080/TCP";
    expect([missing.code, missing.stdout]).toEqual([3, expect.stringContaining(words)]);
    expect((await verdict("nobody", "a", 80)).code).toBe(5);
    const ask = (port: string) =>
      run("policy", "verdict", "--lab", lab.name, "--from", "a", "--to", "b", "--port", port);
    expect((await ask("80")).stdout).toContain("80/TCP");
    expect((await ask("80/tcpp")).code).toBe(2);
  });

  it("says what a connection then meets, for random policies", async () => {
    const addresses = new Map(
      await Promise.all(pods.map(async (pod) => [pod, (await lab.pod(pod))!.status!.podIP!] as const)),
    );
    const probe = async ({ from, to, port }: (typeof connections)[number]) =>
      (await lab.execStatus(from, "cts-lab", "tcp", "--timeout-ms", "1000", addresses.get(to)!, String(port))) === 0;
    await fc.assert(
      fc.asyncProperty(fc.array(policy, { minLength: 3, maxLength: 3 }), async (specs) => {
        const applied = lab.cli("apply", "-f", manifestOf(specs));
        expect(applied.status, applied.stderr).toBe(0);
        const answers = await Promise.all(connections.map(({ from, to, port }) => verdict(from, to, port)));
        const expected = JSON.stringify(answers.map(({ code }) => code === 0));
        const found = await eventually(
          async () => JSON.stringify(await Promise.all(connections.map(probe))),
          (seen) => seen === expected,
          20_000,
        );
        expect(found).toBe(expected);
      }),
      { numRuns: rounds, seed: 5 },
    );
  });
});

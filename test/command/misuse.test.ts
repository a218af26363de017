import { describe, expect, test } from "vitest";
import { runCli } from "../support/run-cli.js";

/** Misuse exits 2, says what is wrong and what would be right, and prints nothing on stdout. */
async function expectMisuse(args: readonly string[], ...words: readonly (string | RegExp)[]): Promise<void> {
  const { exitCode, stdout, stderr } = await runCli(args);
  expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
  for (const word of words) expect(stderr).toMatch(word);
  expect(stderr).not.toContain("    at ");
  expect(stderr).toMatch(/^Error: /);
}

describe("misuse", () => {
  test("an unknown command names its neighbours", () =>
    expectMisuse(
      ["bpf", "ct", "lst"],
      /"bpf ct lst" is not a command/,
      /Did you mean:\n {2}kubectl cilium-ts bpf ct list/,
    ));

  test("a misspelt first word too", () => expectMisuse(["verison"], "kubectl cilium-ts version"));

  test("a word that is near nothing points to the help", () =>
    expectMisuse(["xyzzy"], '"xyzzy" is not a command', "Next: kubectl cilium-ts --help"));

  test("--limit -1", () => expectMisuse(["service", "list", "--limit", "-1"], '"-1" is not a whole number from 1'));

  test("--limit 0", () => expectMisuse(["service", "list", "--limit", "0"], '"0" is not a whole number from 1'));

  test("--limit ten", () => expectMisuse(["service", "list", "--limit", "ten"], '"ten" is not a whole number'));

  test("an unknown output names the formats", () =>
    expectMisuse(["service", "list", "-o", "tabel"], 'did you mean "table"', "table, wide, json, yaml, jsonl, name"));

  test("a bad jsonpath says where", () =>
    expectMisuse(["service", "list", "-o", "jsonpath={.items["], "jsonpath", "character"));

  test("an unknown flag", () => expectMisuse(["service", "list", "--nmespace", "x"], "--nmespace"));

  test("an unknown state names the states", () =>
    expectMisuse(["bpf", "ct", "list", "--state", "open"], "new, established, closing, closed"));

  test("an unknown protocol names the protocols", () =>
    expectMisuse(["bpf", "ct", "list", "--proto", "tpc"], 'did you mean "tcp"', "udp"));

  test("a port out of range", () => expectMisuse(["bpf", "ct", "list", "--port", "65536"], "0 to 65535"));

  test("-n together with -A", () => expectMisuse(["service", "list", "-n", "shop", "-A"], "all-namespaces"));

  test("--lab together with --local", () =>
    expectMisuse(["service", "list", "--lab", "x", "--local"], "--lab and --local exclude each other"));

  test("two views of the load balancer", () =>
    expectMisuse(["bpf", "lb", "list", "--backends", "--revnat"], "--revnat"));

  test("an unknown command with flags is named without their values", () =>
    expectMisuse(["bpf", "ct", "lst", "--lab", "x"], '"bpf ct lst" is not a command', "kubectl cilium-ts bpf ct list"));

  test("a surplus argument", () =>
    expectMisuse(["node", "list", "x"], '"node list x" is not a command', "kubectl cilium-ts node list"));

  test("another word than upstream's for the conntrack maps", () =>
    expectMisuse(["bpf", "ct", "list", "local"], "global"));

  test("text that is no address", () =>
    expectMisuse(["bpf", "ipcache", "get", "10.0.0"], '"10.0.0" is not an IPv4 or IPv6'));

  test("a number that is no endpoint id", () => expectMisuse(["bpf", "policy", "list", "0"], "1 to 65535"));

  test("which without a source", () => expectMisuse(["which"], "source"));
});

describe("a flag that may be repeated", () => {
  test.each([
    [["which", "--node", "node-1", "shop/web"]],
    [["which", "--proto", "tcp", "shop/web"]],
    [["bpf", "ct", "list", "--state", "new", "global"]],
    [["bpf", "ct", "list", "--pod", "a", "--pod", "b", "global"]],
  ])("%j does not swallow the argument behind its value", async (args) => {
    const { exitCode, stderr } = await runCli([...args, "--lab", "cts-t-no-such-lab"]);
    expect({ exitCode, stderr }).toEqual({
      exitCode: 5,
      stderr: expect.stringContaining('there is no lab "cts-t-no-such-lab"'),
    });
  });
});

describe("a thing that does not exist", () => {
  test("a lab: exit code 5 and how to make one", async () => {
    const { exitCode, stdout, stderr } = await runCli(["service", "list", "--lab", "cts-t-no-such-lab"]);
    expect({ exitCode, stdout }).toEqual({ exitCode: 5, stdout: "" });
    expect(stderr).toContain('there is no lab "cts-t-no-such-lab"');
    expect(stderr).toContain("Next:");
  });
});

describe("version", () => {
  test("prints one line", async () => {
    const { exitCode, stdout } = await runCli(["version"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^kubectl cilium-ts \d+\.\d+\.\d+\S* \(node v\d+\S+, \S+\)\n$/);
  });

  test("as JSON", async () => {
    const { stdout } = await runCli(["version", "-o", "json"]);
    expect(JSON.parse(stdout)).toMatchObject({ apiVersion: "cilium-ts.io/v1", kind: "Version", node: process.version });
  });
});

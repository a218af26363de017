import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { resourceTypes } from "../../src/model/kubernetes.js";
import type { Label } from "../../src/model/labels.js";
import { FolderStateSource } from "../../src/state/folder-state-source.js";
import { IdentityAllocator, identityNumber } from "../../src/state/identity-allocator.js";
import { bundleProgram } from "./child-bundle.js";

const WRITERS = 8;
const LABEL_SETS = 40;

const labelsOf = (app: string): readonly Label[] => [
  { source: "k8s", key: "app", value: app },
  { source: "k8s", key: "io.kubernetes.pod.namespace", value: "shop" },
];

describe("allocation of identities", () => {
  let dir: string;
  let source: FolderStateSource;
  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), "cts-t-identities-"));
    source = await FolderStateSource.open(join(dir, "state"));
  });
  afterEach(async () => {
    await source[Symbol.asyncDispose]();
    await rm(dir, { recursive: true });
  });

  it("gives the same number for the same labels in any order, and says them in a CiliumIdentity", async () => {
    const allocator = new IdentityAllocator({ source, clusterId: 0 });
    const identity = await allocator.allocate(labelsOf("web"));
    expect(await allocator.allocate([...labelsOf("web")].reverse())).toEqual(identity);
    expect(identityNumber(identity)).toBe(allocator.firstCandidate(labelsOf("web")));
    expect(identity.metadata.labels).toEqual({ "io.kubernetes.pod.namespace": "shop" });
    expect(identity["security-labels"]).toEqual({ "k8s:app": "web", "k8s:io.kubernetes.pod.namespace": "shop" });
  });

  it("goes to the next number when other labels have the first one", async () => {
    const allocator = new IdentityAllocator({ source, clusterId: 0 });
    const first = allocator.firstCandidate(labelsOf("web"));
    await source.create(resourceTypes.ciliumIdentities, {
      apiVersion: "cilium.io/v2",
      kind: "CiliumIdentity",
      metadata: { name: String(first) },
      "security-labels": { "k8s:app": "somebody-else" },
    });
    const identity = await allocator.allocate(labelsOf("web"));
    expect(identityNumber(identity)).toBe(first === 65_535 ? 256 : first + 1);
    expect(await allocator.allocate(labelsOf("web"))).toEqual(identity);
  });

  it("stays within the range of its cluster", async () => {
    const allocator = new IdentityAllocator({ source, clusterId: 3 });
    for (let count = 0; count < 20; count++) {
      const id = identityNumber(await allocator.allocate(labelsOf(`app-${count}`)));
      expect(id >>> 16).toBe(3);
    }
  });

  it("never gives two numbers for the same labels, nor one for two, to nodes that start at once", async () => {
    const entry = fileURLToPath(new URL("./identity-writer.ts", import.meta.url));
    const program = await bundleProgram(entry, join(dir, "program"));
    const ackFile = join(dir, "acks");
    const exits = Array.from({ length: WRITERS }, () => {
      const child = spawn(process.execPath, [program, join(dir, "state"), ackFile, String(LABEL_SETS)], {
        stdio: ["ignore", "ignore", "inherit"],
      });
      return new Promise((resolve) => child.once("exit", resolve));
    });
    expect(await Promise.all(exits)).toEqual(Array(WRITERS).fill(0));
    const answers = (await readFile(ackFile, "utf8")).trim().split("\n");
    expect(answers).toHaveLength(WRITERS * LABEL_SETS);
    const pairs = [...new Set(answers)].map((line) => line.split(" "));
    expect(new Set(pairs.map(([app]) => app)).size).toBe(LABEL_SETS);
    expect(pairs).toHaveLength(LABEL_SETS);
    expect(new Set(pairs.map(([, id]) => id)).size).toBe(LABEL_SETS);
    expect((await source.list(resourceTypes.ciliumIdentities)).items).toHaveLength(LABEL_SETS);
  });
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type KubeConfigMap, type KubeService, resourceTypes } from "../../src/model/kubernetes.js";
import { FolderStateSource } from "../../src/state/folder-state-source.js";
import { eventually, podManifest, TestLab } from "./support/lab-fixture.js";

const service = (name: string, spec: string): string => `
---
apiVersion: v1
kind: Service
metadata: { name: ${name} }
spec: { selector: { app: ${name} }, ports: [{ port: 80 }]${spec} }
`;

/** With the product's own agent: what is asked here is between it and the lab. */
describe("commands on a lab that runs", () => {
  let lab: TestLab;
  const folder = mkdtempSync(join(tmpdir(), "cts-t-commands-"));

  beforeAll(async () => {
    const manifests =
      podManifest("client", { node: "node-1" }) +
      podManifest("far", { node: "node-2" }) +
      service("fixed", ", clusterIP: 10.96.0.77") +
      service("given", "");
    lab = await TestLab.start({ agentCommand: "own", manifests });
  });
  afterAll(async () => {
    rmSync(folder, { recursive: true });
    await lab?.[Symbol.asyncDispose]();
  });

  function writeManifest(text: string): string {
    const path = join(folder, "later.yaml");
    writeFileSync(path, text.trimStart());
    return path;
  }

  it("apply and up refuse a clusterIP that another Service has, given or chosen, with file and line", async () => {
    const addressed = (all: readonly KubeService[]) => all.find(({ metadata }) => metadata.name === "given");
    const services = await eventually(
      () => lab.list(resourceTypes.services),
      (all) => addressed(all)?.spec.clusterIP !== undefined,
    );
    const chosen = addressed(services)!.spec.clusterIP!;
    const path = writeManifest(service("a", ", clusterIP: 10.96.0.77") + service("b", `, clusterIP: ${chosen}`));
    for (const verb of ["apply", "up"]) {
      const { status, stderr } = lab.cli(verb, "-f", path);
      expect(status).toBe(2);
      expect(stderr).toMatch(
        /later\.yaml:5:\d+: Service default\/a has the clusterIP 10\.96\.0\.77, which Service default\/fixed has/,
      );
      expect(stderr).toMatch(
        /later\.yaml:11:\d+: Service default\/b has the clusterIP [\d.]+, which Service default\/given has/,
      );
    }
    expect(lab.cli("apply", "-f", writeManifest(service("fixed", ", clusterIP: 10.96.0.77"))).stderr).toBe("");
  });

  it("apply refuses a clusterIP outside of the service range", () => {
    const { status, stderr } = lab.cli("apply", "-f", writeManifest(service("a", ", clusterIP: 10.200.0.1")));
    expect([status, stderr]).toEqual([2, expect.stringContaining("is outside of the service range 10.96.0.0/12")]);
  });

  it("logs and exec of a node that does not exist name the nearest one that does", () => {
    for (const args of [
      ["logs", "agent/node-9"],
      ["logs", "node/node-9"],
      ["exec", "node/node-9", "--", "true"],
    ]) {
      const { status, stderr } = lab.cli(...args);
      expect(status).toBe(5);
      expect(stderr).toContain('has no node "node-9": did you mean "node-1"?');
    }
    expect(lab.cli("logs", "agent/node-1").stdout).toContain("agent ready");
  });

  it("delete takes a pod as namespace/name and as kind/name, too", async () => {
    expect(lab.cli("delete", "pod/clinet").stderr).toContain('did you mean "default/client"?');
    expect(lab.cli("delete", "pod/").status).toBe(2);
    expect(lab.cli("delete", "pod", "default/clinet").stderr).toContain('did you mean "default/client"?');
    await lab.up({ agentCommand: "own", manifests: podManifest("brief") });
    expect(lab.cli("delete", "pod", "default/brief").stdout).toBe("pod/brief deleted\n");
    await eventually(
      () => lab.pod("brief"),
      (pod) => pod === undefined,
    );
    expect(await lab.pod("client")).toBeDefined();
  });

  it("the lab's tool explains itself", () => {
    expect(lab.exec("client", "cts-lab", "tcp", "--help")).toMatch(
      /^usage: cts-lab tcp \[--timeout-ms N\].* HOST PORT/,
    );
    expect(lab.exec("client", "cts-lab", "--help")).toContain("cts-lab http");
  });

  it("agent start tells at once why an agent ends instead of becoming ready", async () => {
    expect(lab.cli("agent", "stop", "node-1").status).toBe(0);
    await using state = await FolderStateSource.open(lab.paths.stateDir);
    const config: KubeConfigMap = {
      apiVersion: "v1",
      kind: "ConfigMap",
      metadata: { namespace: "kube-system", name: "cilium-config" },
      data: { "tunnel-prot": "vxlan" },
    };
    await state.create(resourceTypes.configMaps, config);
    const refused = lab.cli("agent", "start", "node-1", "--timeout", "600");
    expect(refused.status).toBe(7);
    expect(refused.stderr).toContain("the agent of node-1 ended instead of becoming ready");
    expect(refused.stderr).toContain("tunnel-prot is no setting: did you mean tunnel-port");
    await state.delete(
      resourceTypes.configMaps,
      config.metadata as { readonly namespace: string; readonly name: string },
    );
    expect(lab.cli("agent", "stop", "node-1").status).toBe(0);
    expect(lab.cli("agent", "start", "node-1")).toMatchObject({ status: 0, stderr: "" });
  });

  it("a node that is deleted leaves no CiliumNode and no CiliumEndpoint behind", async () => {
    const names = async (): Promise<readonly string[]> => [
      ...(await lab.list(resourceTypes.ciliumNodes)).map(({ metadata }) => `node ${metadata.name}`),
      ...(await lab.list(resourceTypes.ciliumEndpoints)).map(({ metadata }) => `endpoint ${metadata.name}`),
    ];
    const all = ["node node-1", "node node-2", "endpoint client", "endpoint far"].sort();
    await eventually(names, (found) => [...found].sort().join() === all.join());
    expect(lab.cli("delete", "node", "node-2").status).toBe(0);
    await eventually(names, (found) => [...found].sort().join() === "endpoint client,node node-1");
    const tunnels = lab.exec("node/node-1", "ip", "route");
    await eventually(
      () => lab.exec("node/node-1", "ip", "route"),
      (routes) => !routes.includes("10.244.1.0/24"),
    );
    expect(tunnels).toContain("10.244.0.0/24");
  });
});

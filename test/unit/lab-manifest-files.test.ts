import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadManifests } from "../../src/lab/load-manifests.js";
import type { IpFamily } from "../../src/lib/ip.js";
import type { KubeService } from "../../src/model/kubernetes.js";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "cts-t-manifests-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function load(text: string, knownServices: readonly KubeService[] = [], families: readonly IpFamily[] = [4]) {
  const notes: string[] = [];
  writeFileSync(join(folder, "a.yaml"), text);
  const objects = loadManifests([folder], {
    knownNodes: [],
    knownServices,
    families,
    onNote: (line) => notes.push(line),
  });
  return { objects, notes };
}

describe("manifest files without an object", () => {
  test.each(["", "# only a comment\n", "---\n---\n"])("%j: refused instead of applied as nothing", (text) => {
    expect(() => load(text)).toThrow(expect.objectContaining({ code: "manifest-empty" }));
  });

  test("objects that have no effect in a lab are noted, and that is all", () => {
    const { objects, notes } = load("apiVersion: v1\nkind: Secret\nmetadata: {name: x}\n");
    expect(objects).toEqual([]);
    expect(notes).toEqual([expect.stringContaining("kind Secret has no effect in a lab")]);
  });

  test("no file at all is nobody's mistake: a lab needs none", () => {
    expect(loadManifests([], { knownNodes: [], onNote: () => undefined })).toEqual([]);
  });
});

describe("Services of families that the lab's pods do not have", () => {
  const service = "apiVersion: v1\nkind: Service\nmetadata: {name: web}\nspec:\n  ports: [{port: 80}]\n";
  const settings = (data: string): string =>
    `---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: cilium-config, namespace: kube-system}\ndata: {${data}}\n`;

  test.each([
    ["ipFamilies: [IPv6]", "asks for IPv6"],
    ["ipFamilyPolicy: RequireDualStack", "asks for two address families"],
    ['clusterIP: "fd00:10:96::80"', "asks for IPv6"],
  ])("%s: refused with file and line", (field, words) => {
    const file = `${service}  ${field}\n`;
    expect(() => load(file)).toThrow(
      expect.objectContaining({ message: expect.stringMatching(`a.yaml:6:.*${words}`) }),
    );
    expect(load(file, [], [4, 6]).objects).toHaveLength(1);
    expect(load(file + settings('enable-ipv6: "true"')).objects).toHaveLength(2);
  });

  test("and of both, where one is enough, are taken", () => {
    expect(load(`${service}  ipFamilyPolicy: PreferDualStack\n`).objects).toHaveLength(1);
  });
});

describe("manifests that come into a lab", () => {
  const service = (name: string, clusterIP?: string): KubeService => ({
    apiVersion: "v1",
    kind: "Service",
    metadata: { namespace: "shop", name },
    spec: { ports: [{ port: 80 }], ...(clusterIP === undefined ? {} : { clusterIP }) },
  });
  const text = (...services: readonly KubeService[]): string =>
    services.map((one) => JSON.stringify(one, undefined, 1)).join("\n---\n");
  const line = (objects: string, needle: string): number =>
    objects.split("\n").findIndex((one) => one.includes(needle)) + 1;

  test("a clusterIP that another Service of the lab has: refused with file and line, and whose it is", () => {
    const file = text(service("new", "10.96.0.80"));
    expect(() => load(file, [service("cart", "10.96.0.80")])).toThrow(
      `a.yaml:${line(file, "clusterIP")}:16: Service shop/new has the clusterIP 10.96.0.80, which Service shop/cart has already`,
    );
  });

  test("a Service that is applied again keeps its address, and gives it up when it gets another one", () => {
    const known = [service("cart", "10.96.0.80")];
    expect(load(text(service("cart", "10.96.0.80")), known).objects).toHaveLength(1);
    expect(load(text(service("cart", "10.96.0.81"), service("new", "10.96.0.80")), known).objects).toHaveLength(2);
    expect(() => load(text(service("cart"), service("new", "10.96.0.80")), known)).toThrow(
      "which Service shop/cart has",
    );
  });

  test("a clusterIP outside of the service range: refused with file and line", () => {
    const file = text(service("a", "10.95.255.255"), service("b", "10.112.0.1"), service("c", "10.111.255.254"));
    expect(() => load(file)).toThrow(/the manifests have 2 problems:/);
    expect(() => load(file)).toThrow(
      `a.yaml:${line(file, "10.95")}:16: clusterIP 10.95.255.255 of Service shop/a is outside of the service range 10.96.0.0/12`,
    );
  });

  test("an image that a lab does not run: refused with file and line", () => {
    const pod = (image: string) =>
      `apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec:\n  containers:\n    - name: main\n      ${image}\n`;
    expect(() => load(pod("image: nginx"))).toThrow(
      /a\.yaml:7:14: Pod default\/web: container main has image "nginx" and no command: a lab runs echo and client/,
    );
    expect(() => load(pod("ports: []"))).toThrow(/a\.yaml:6:7: Pod default\/web: container main has no image/);
  });
});

import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/lib/errors.js";
import {
  clusterOfIdentity,
  formatIdentity,
  identityRange,
  identityScope,
  parseIdentity,
  reservedIdentities,
  reservedIdentity,
  wellKnownComponent,
} from "../../src/model/identity.js";
import type { KubePod } from "../../src/model/kubernetes.js";
import {
  formatLabel,
  fromSecurityLabels,
  identityLabelsOfPod,
  parseLabel,
  parseLabelFilter,
  toSecurityLabels,
} from "../../src/model/labels.js";
import { matchesLabels, matchesSelector } from "../../src/model/selectors.js";

const pod = (labels: Record<string, string>, serviceAccountName?: string): KubePod => ({
  apiVersion: "v1",
  kind: "Pod",
  metadata: { name: "web", namespace: "shop", labels },
  spec: { containers: [], ...(serviceAccountName && { serviceAccountName }) },
});
const shop = { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop", labels: { team: "red" } } } as const;

function identityLabels(labels: Record<string, string>, setting = ""): readonly string[] {
  const options = { filter: parseLabelFilter(setting), clusterName: "default" };
  return identityLabelsOfPod(pod(labels), shop, options).map(formatLabel);
}

const derived = [
  "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop",
  "k8s:io.cilium.k8s.namespace.labels.team=red",
  "k8s:io.cilium.k8s.policy.cluster=default",
  "k8s:io.cilium.k8s.policy.serviceaccount=default",
  "k8s:io.kubernetes.pod.namespace=shop",
];

describe("identity labels of a pod", () => {
  it("are its own and those that upstream derives, sorted", () => {
    expect(identityLabels({ app: "web", role: "" })).toEqual(["k8s:app=web", ...derived, "k8s:role"]);
  });

  it("leave out what differs from pod to pod", () => {
    const labels = {
      "pod-template-hash": "abc",
      "pod-template-generation": "1",
      "controller-revision-hash": "abc",
      "controller-uid": "1-2-3",
      "batch.kubernetes.io/controller-uid": "1-2-3",
      "statefulset.kubernetes.io/pod-name": "web-0",
      "apps.kubernetes.io/pod-index": "0",
      "batch.kubernetes.io/job-completion-index": "0",
      "topology.beta.kubernetes.io/zone": "a",
      "kubernetes.io/arch": "amd64",
      "k8s.io/thing": "1",
      "io.kubernetes.container": "1",
      "annotation.x": "1",
      etcd_node: "1",
    };
    expect(identityLabels(labels)).toEqual(derived);
  });

  it("keep what only looks like those", () => {
    const kept = identityLabels({ "app.kubernetes.io/name": "web", "my-pod-template-hash": "1", "x.k8s.io/y": "2" });
    expect(kept.filter((label) => !derived.includes(label))).toEqual([
      "k8s:app.kubernetes.io/name=web",
      "k8s:my-pod-template-hash=1",
      "k8s:x.k8s.io/y=2",
    ]);
  });

  it("cannot be forged by the pod", () => {
    expect(
      identityLabels({
        "io.kubernetes.pod.namespace": "kube-system",
        "io.cilium.k8s.policy.serviceaccount": "admin",
        "io.cilium.k8s.policy.cluster": "other",
        "io.cilium.k8s.namespace.labels.team": "blue",
      }),
    ).toEqual(derived);
  });

  it("follow the pod's service account, and a namespace that is not known yet", () => {
    const options = { filter: parseLabelFilter(""), clusterName: "east" };
    expect(identityLabelsOfPod(pod({}, "api"), undefined, options).map(formatLabel)).toEqual([
      "k8s:io.cilium.k8s.namespace.labels.kubernetes.io/metadata.name=shop",
      "k8s:io.cilium.k8s.policy.cluster=east",
      "k8s:io.cilium.k8s.policy.serviceaccount=api",
      "k8s:io.kubernetes.pod.namespace=shop",
    ]);
  });

  it("can be chosen by the user, in upstream's syntax", () => {
    const labels = { app: "web", "app-version": "1", role: "x" };
    // Excluded: all that begins so.
    expect(identityLabels(labels, "k8s:!app")).toEqual([...derived, "k8s:role=x"]);
    // The longer match wins.
    expect(identityLabels(labels, "!app app-version")).toContain("k8s:app-version=1");
    // Once something is included by name, nothing else is, but the defaults that are included by name, too.
    expect(identityLabels(labels, "k8s:role")).toEqual([...derived, "k8s:role=x"]);
    expect(identityLabels(labels, "reserved:role")).toEqual(derived);
  });

  it("say which pattern is none", () => {
    expect(() => parseLabelFilter("k8s:!")).toThrow(UsageError);
    expect(() => parseLabelFilter("k8s:a(")).toThrow(/"k8s:a\("/);
  });
});

describe("labels as text", () => {
  it("have a source, a key, and a value that may be empty", () => {
    expect(parseLabel("k8s:app=web")).toEqual({ source: "k8s", key: "app", value: "web" });
    expect(parseLabel("reserved:host")).toEqual({ source: "reserved", key: "host", value: "" });
    expect(parseLabel("app=a:b=c")).toEqual({ source: "unspec", key: "app", value: "a:b=c" });
  });

  it("are the security labels of a CiliumIdentity", () => {
    const record = { "k8s:app": "web", "gen:io.cilium.k8s.named-ports": "http.TCP.8080" };
    expect(fromSecurityLabels(record).map(formatLabel)).toEqual([
      "gen:io.cilium.k8s.named-ports=http.TCP.8080",
      "k8s:app=web",
    ]);
    expect(toSecurityLabels(fromSecurityLabels(record))).toEqual(record);
  });
});

describe("identities", () => {
  it("have upstream's reserved numbers and names", () => {
    expect(reservedIdentities.map(({ id }) => id)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14]);
    expect(reservedIdentity(7)?.labels.map(formatLabel)).toEqual(["reserved:kube-apiserver", "reserved:remote-node"]);
    const names = (release: "1.14" | "1.19" | "1.20") => [1, 6, 9, 13, 256].map((id) => formatIdentity(id, release));
    expect(names("1.14")).toEqual(["host", "remote-node", "9", "13", "256"]);
    expect(names("1.19")).toEqual(["host", "remote-node", "world-ipv4", "13", "256"]);
    expect(names("1.20")).toEqual(["host", "remote-node", "world-ipv4", "aggregate-world", "256"]);
    expect(["host", "reserved:world", "29898", "-1", "x", "4294967296"].map(parseIdentity)).toEqual([
      1,
      2,
      29_898,
      undefined,
      undefined,
      undefined,
    ]);
  });

  it("have a scope by their number", () => {
    expect([1, 100, 128, 255, 256, 65_535, 65_536, 16_777_217, 33_554_433].map(identityScope)).toEqual([
      "reserved",
      "reserved",
      "user-reserved",
      "user-reserved",
      "cluster",
      "cluster",
      "cluster",
      "local",
      "remote-node",
    ]);
    expect([104, 112, 103, 107, 116].map(wellKnownComponent)).toEqual([
      "core-dns",
      "core-dns",
      "eks-kube-dns",
      undefined,
      undefined,
    ]);
    expect(identityScope(105)).toBe("well-known");
    expect([300, 65_536, 131_071, 0x50_0100, 0x0100_0001].map((id) => clusterOfIdentity(id))).toEqual([
      0, 1, 1, 0x50, 0,
    ]);
    expect(clusterOfIdentity(0xff_8001, 9)).toBe(511);
    expect(identityRange(0)).toEqual({ min: 256, max: 65_535 });
    expect(identityRange(1)).toEqual({ min: 65_536, max: 131_071 });
  });
});

describe("selectors", () => {
  it("match as Kubernetes defines", () => {
    const labels = { app: "web", tier: "front" };
    expect(matchesLabels({}, undefined)).toBe(true);
    expect(matchesLabels({ app: "web" }, labels)).toBe(true);
    expect(matchesLabels({ app: "web", x: "1" }, labels)).toBe(false);
    expect(matchesSelector({}, {})).toBe(true);
    const requirement = (key: string, operator: "In" | "NotIn" | "Exists" | "DoesNotExist", ...values: string[]) =>
      matchesSelector({ matchExpressions: [{ key, operator, values }] }, labels);
    expect(requirement("app", "In", "web", "api")).toBe(true);
    expect(requirement("app", "In", "api")).toBe(false);
    expect(requirement("missing", "In", "")).toBe(false);
    expect(requirement("app", "NotIn", "web")).toBe(false);
    expect(requirement("missing", "NotIn", "web")).toBe(true);
    expect(requirement("app", "Exists")).toBe(true);
    expect(requirement("missing", "DoesNotExist")).toBe(true);
  });

  it("do not see what JavaScript objects inherit", () => {
    expect(matchesSelector({ matchExpressions: [{ key: "constructor", operator: "Exists" }] }, {})).toBe(false);
    expect(matchesSelector({ matchExpressions: [{ key: "toString", operator: "DoesNotExist" }] }, {})).toBe(true);
  });
});

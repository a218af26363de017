import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import type { KubePod, KubeService } from "../../src/model/kubernetes.js";
import type { CrossCheckOptions } from "../../src/state/manifests/cross-checks.js";
import { formatManifestProblem } from "../../src/state/manifests/manifest-problem.js";
import { parseManifests } from "../../src/state/manifests/parse-manifests.js";

const parse = (text: string, options?: CrossCheckOptions) => parseManifests([{ path: "m.yaml", text }], options);
const problemsOf = (text: string, options?: CrossCheckOptions) =>
  parse(text, options).problems.map(formatManifestProblem);
const notesOf = (text: string) => parse(text).notes.map(formatManifestProblem);

const pod = (name: string, rest: string) =>
  `apiVersion: v1\nkind: Pod\nmetadata: {name: ${name}, namespace: shop}\n${rest}`;

describe("manifests that are good", () => {
  it("become objects, with their namespace and without their status", () => {
    const { objects, problems } = parse(`
apiVersion: v1
kind: Pod
metadata:
  name: web
  labels: {app: web}
spec:
  nodeName: n1
  containers:
    - name: web
      image: echo
      command: [/bin/sleep, "10"]
      env: [{name: A, value: b}]
      ports: [{name: http, containerPort: 8080}]
      readinessProbe:
        httpGet: {path: /healthz, port: http}
        periodSeconds: 1
status:
  phase: Running
  podIP: 10.0.0.1
`);
    expect(problems).toEqual([]);
    expect(objects).toHaveLength(1);
    const object = objects[0]!.object as KubePod;
    expect(object.metadata).toEqual({ name: "web", namespace: "default", labels: { app: "web" } });
    expect(object.status).toBeUndefined();
    expect(object.spec.containers[0]).toEqual({
      name: "web",
      image: "echo",
      command: ["/bin/sleep", "10"],
      env: [{ name: "A", value: "b" }],
      ports: [{ name: "http", containerPort: 8080 }],
      readinessProbe: { httpGet: { path: "/healthz", port: "http" }, periodSeconds: 1 },
    });
  });

  it("may be many documents, empty ones among them, Lists, and JSON", () => {
    const json = JSON.stringify({
      apiVersion: "v1",
      kind: "List",
      items: [
        { apiVersion: "v1", kind: "Namespace", metadata: { name: "shop" } },
        { apiVersion: "v1", kind: "Node", metadata: { name: "n1" } },
      ],
    });
    const yaml = "---\n# nothing\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: bank}\n---\n";
    const { objects, problems } = parseManifests([
      { path: "a.json", text: json },
      { path: "b.yaml", text: yaml },
      { path: "empty.yaml", text: "" },
    ]);
    expect(problems).toEqual([]);
    expect(objects.map(({ object }) => `${object.kind} ${object.metadata.name}`)).toEqual([
      "Namespace shop",
      "Node n1",
      "Namespace bank",
    ]);
  });

  it("may use anchors and merge keys", () => {
    const { objects, problems } = parse(`
apiVersion: v1
kind: Service
metadata: &meta {name: web, namespace: shop, labels: &labels {app: web}}
spec:
  selector: *labels
  ports: [{port: 80}]
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec:
  containers:
    - &base {name: a, image: echo}
    - {<<: *base, name: b}
`);
    expect(problems).toEqual([]);
    expect((objects[0]!.object as KubeService).spec.selector).toEqual({ app: "web" });
    expect((objects[1]!.object as KubePod).spec.containers).toEqual([
      { name: "a", image: "echo" },
      { name: "b", image: "echo" },
    ]);
  });

  it("take null for absent, as the API does", () => {
    expect(
      problemsOf(pod("web", "spec:\n  nodeSelector:\n  containers: [{name: a, image: echo, args: null}]")),
    ).toEqual([]);
    expect(problemsOf(pod("web", "spec:\n  containers:\n"))).toEqual([
      "m.yaml:5:3: missing field spec.containers in Pod shop/web",
    ]);
  });

  it("may hold what a lab does not do, and that is noted", () => {
    const text = pod(
      "web",
      "spec:\n  volumes: []\n  serviceAccountName: web\n  containers:\n  - name: a\n    image: echo\n    resources: {limits: {cpu: 1}}",
    );
    expect(problemsOf(text)).toEqual([]);
    expect(notesOf(text)).toEqual([
      "m.yaml:5:3: spec.volumes in Pod shop/web has no effect in a lab",
      "m.yaml:10:5: spec.containers[0].resources in Pod shop/web has no effect in a lab",
    ]);
    expect(notesOf("apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: web}")).toEqual([
      "m.yaml:2:7: kind ServiceAccount has no effect in a lab",
    ]);
  });

  it("Services of kinds that are not served say so", () => {
    const service = (spec: string) =>
      `apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: shop}\nspec: {ports: [{port: 80}], ${spec}}`;
    expect(notesOf(service("type: NodePort"))).toEqual([]);
    const loadBalancer = service("type: LoadBalancer");
    expect(notesOf(loadBalancer)).toEqual([
      "m.yaml:4:35: Service shop/web: type LoadBalancer has no address of its own unless status.loadBalancer.ingress names one",
    ]);
    expect(notesOf(`${loadBalancer}\nstatus: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}`)).toEqual([]);
    expect(notesOf(service("type: ExternalName, externalName: a.b"))).toEqual([
      "m.yaml:4:35: Service shop/web: type ExternalName has no effect in a lab",
    ]);
    const dual = service("type: ClusterIP, ipFamilies: [IPv6, IPv4]");
    expect([...notesOf(dual), ...problemsOf(dual)]).toEqual([]);
  });

  it("are those of the examples", () => {
    for (const path of ["examples/demo/shop.yaml", "examples/dual-stack/web.yaml"]) {
      const { problems, objects } = parseManifests([{ path, text: readFileSync(path, "utf8") }]);
      expect(problems.map(formatManifestProblem)).toEqual([]);
      expect(objects.length).toBeGreaterThan(3);
    }
  });
});

describe("manifests that are wrong", () => {
  it("are told all problems at once, each with its place and the nearest name", () => {
    expect(
      problemsOf(`
apiVersion: apps/v1
kind: Deployment
metadata:
  name: Web
spec:
  replicas: three
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      contaners: []
      containers:
        - image: echo
          readinesProbe: {}
          ports: [{containerPort: 99999, protocol: tcp}]
      restartPolicy: Alway
---
apiVersion: v1
kind: Servce
metadata: {name: web}
`),
    ).toEqual([
      'm.yaml:5:9: metadata.name in Deployment default/Web must be a DNS name (lower-case letters, digits, "-" and "."), not "Web"',
      'm.yaml:7:13: spec.replicas in Deployment default/Web must be a whole number, 0…1000, not "three"',
      "m.yaml:12:7: unknown field spec.template.spec.contaners in Deployment default/Web: did you mean containers?",
      "m.yaml:14:11: missing field spec.template.spec.containers[0].name in Deployment default/Web",
      "m.yaml:15:11: unknown field spec.template.spec.containers[0].readinesProbe in Deployment default/Web: did you mean readinessProbe?",
      "m.yaml:16:35: spec.template.spec.containers[0].ports[0].containerPort in Deployment default/Web must be a whole number, 1…65535, not 99999",
      'm.yaml:16:52: spec.template.spec.containers[0].ports[0].protocol in Deployment default/Web must be one of TCP, UDP, SCTP, not "tcp": did you mean TCP?',
      'm.yaml:17:22: spec.template.spec.restartPolicy in Deployment default/Web must be one of Always, OnFailure, Never, not "Alway": did you mean Always?',
      'm.yaml:20:7: unknown kind "Servce": did you mean Service?',
    ]);
  });

  it("are refused by kind when a later version runs them, or nobody may write them", () => {
    const kinds = ["CiliumEnvoyConfig", "CiliumCIDRGroup", "Ingress", "StatefulSet", "CiliumEndpoint"];
    const texts = kinds.map((kind) => `apiVersion: x/v1\nkind: ${kind}\nmetadata: {name: a}`);
    expect(problemsOf(texts.join("\n---\n"))).toEqual([
      "m.yaml:2:7: kind CiliumEnvoyConfig is not supported by this version of the lab",
      "m.yaml:6:7: kind CiliumCIDRGroup is not supported by this version of the lab",
      "m.yaml:10:7: kind Ingress is not supported by this version of the lab",
      "m.yaml:14:7: kind StatefulSet is not supported by this version of the lab",
      "m.yaml:18:7: kind CiliumEndpoint is written by the agents and controllers, not by manifests",
    ]);
    expect(problemsOf("apiVersion: apps/v1beta1\nkind: Deployment\nmetadata: {name: a}")).toEqual([
      'm.yaml:1:13: apiVersion of Deployment is apps/v1, not "apps/v1beta1"',
    ]);
  });

  it("may be half-written", () => {
    expect(problemsOf('apiVersion: v1\nkind: Pod\nmetadata:\n  name: "web\nspec:\n')[0]).toMatch(
      /^m\.yaml:6:1: not YAML: /,
    );
    expect(problemsOf("apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - nam")).toEqual([
      'm.yaml:7:5: spec.containers[0] in Pod default/web must be a mapping, not "nam"',
    ]);
    expect(problemsOf("apiVersion: v1\nkind: Po")).toEqual(['m.yaml:2:7: unknown kind "Po": did you mean Pod?']);
    expect(problemsOf("apiVersion: v1\nki")).toHaveLength(1);
    expect(problemsOf("hello")).toEqual([
      "m.yaml:1:1: not a Kubernetes object: it must be a mapping with apiVersion and kind",
    ]);
    expect(problemsOf("a: 1\na: 2")[0]).toMatch(/^m\.yaml:2:1: not YAML: .*unique/);
    expect(problemsOf("\u0000\u0001\u0002")).toHaveLength(1);
  });

  it("never make the parser throw, however the text is cut off", () => {
    const text = readFileSync("examples/demo/shop.yaml", "utf8");
    for (let length = 0; length < text.length; length += 7) parse(text.slice(0, length));
  });

  it("want text where YAML makes numbers and booleans of it", () => {
    expect(
      problemsOf(pod("web", "spec: {nodeName: n1, containers: [{name: a, args: [1], env: [{name: A, value: true}]}]}")),
    ).toEqual([
      "m.yaml:4:52: spec.containers[0].args[0] in Pod shop/web must be text: put it in quotes, not 1",
      "m.yaml:4:79: spec.containers[0].env[0].value in Pod shop/web must be text: put it in quotes, not true",
    ]);
  });
});

describe("manifests that do not fit together", () => {
  const container = "containers: [{name: a, image: echo}]";

  it("define an object twice", () => {
    const text = pod("web", `spec: {${container}}`);
    expect(problemsOf(`${text}\n---\n${text}`)).toEqual([
      "m.yaml:6:1: Pod shop/web is defined twice: first in m.yaml:1",
    ]);
  });

  it("put a pod on an unknown node, when nodes are known", () => {
    const text = pod("web", `spec: {nodeName: n3, ${container}}`);
    expect(problemsOf(text)).toEqual([]);
    expect(problemsOf(text, { knownNodes: ["n1", "n2"] })).toEqual([
      'm.yaml:4:18: Pod shop/web is on an unknown node "n3": there is n1, n2',
    ]);
    expect(problemsOf(`${text}\n---\napiVersion: v1\nkind: Node\nmetadata: {name: n3}`)).toEqual([]);
  });

  it("give two pods one address", () => {
    const slice = (name: string, podName: string, address: string) =>
      `apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {name: ${name}, namespace: shop}\naddressType: IPv4\nendpoints: [{addresses: [${address}], targetRef: {kind: Pod, name: ${podName}}}]`;
    expect(problemsOf(`${slice("s1", "a", "10.0.0.1")}\n---\n${slice("s2", "b", "10.0.0.1")}`)).toEqual([
      "m.yaml:11:26: Pod shop/b has the address 10.0.0.1, which Pod shop/a has already",
    ]);
    expect(problemsOf(`${slice("s1", "a", "10.0.0.1")}\n---\n${slice("s2", "a", "10.0.0.1")}`)).toEqual([]);
    const withAddress = (name: string) => pod(name, `spec: {${container}}\nstatus: {podIP: 10.0.0.1}`);
    expect(problemsOf(`${withAddress("a")}\n---\n${withAddress("b")}`)).toEqual([
      "m.yaml:11:17: Pod shop/b has the address 10.0.0.1, which Pod shop/a has already",
    ]);
  });

  it("give two Services one address, two Nodes one prefix", () => {
    const service = (name: string, ip: string) =>
      `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {clusterIP: ${ip}, ports: [{port: 80}]}`;
    const node = (name: string, cidr: string) =>
      `apiVersion: v1\nkind: Node\nmetadata: {name: ${name}}\nspec: {podCIDR: ${cidr}}`;
    const texts = [service("a", "10.96.0.1"), service("b", "10.96.0.1"), service("c", "None"), service("d", "None")];
    expect(problemsOf(texts.join("\n---\n"))).toEqual([
      "m.yaml:9:19: Service default/b has the clusterIP 10.96.0.1, which Service default/a has already",
    ]);
    expect(
      problemsOf([service("a", "10.96.0"), node("n1", "10.1.0.0/16"), node("n2", "10.1.2.0/24")].join("\n---\n")),
    ).toEqual([
      'm.yaml:4:19: clusterIP "10.96.0" of Service default/a is not an address or None',
      "m.yaml:14:17: podCIDR 10.1.2.0/24 of Node n2 overlaps with 10.1.0.0/16 of Node n1",
    ]);
  });

  it("break the API's other rules", () => {
    expect(
      problemsOf(`
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: wep}}
    spec:
      containers:
        - {name: a, image: echo, livenessProbe: {periodSeconds: 1}}
        - {name: a, image: echo}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {ports: [{port: 80, name: http}, {port: 81}, {port: 82, name: http}]}
`),
    ).toEqual([
      "m.yaml:6:13: spec.selector in Deployment default/web does not match the labels of its own template",
      "m.yaml:11:49: spec.template.spec.containers[0].livenessProbe in Deployment default/web needs exactly one of httpGet, tcpSocket and exec",
      'm.yaml:12:18: spec.template.spec.containers[1].name in Deployment default/web is used twice: "a"',
      "m.yaml:17:40: missing field spec.ports[1].name in Service default/web: several ports need names",
      'm.yaml:17:52: spec.ports[2].name in Service default/web is used twice: "http"',
    ]);
  });

  it("set what the agent cannot do", () => {
    const text = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cilium-config, namespace: kube-system}\ndata:\n  bpf-lb-sok: "true"\n  enable-wireguard: "true"\n  mtu: "9000"`;
    expect(problemsOf(text)).toEqual([
      "m.yaml:5:15: agent setting bpf-lb-sok is no setting: did you mean bpf-lb-sock?",
      'm.yaml:6:21: agent setting enable-wireguard: "true" is not supported by this version; leave it out or set "false"',
    ]);
  });
});

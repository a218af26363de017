import { describe, expect, test } from "vitest";
import { NameIndex } from "../../src/actions/names/name-index.js";
import { findNamed, resolveSelection } from "../../src/actions/row-selection.js";
import { IpPrefix } from "../../src/lib/ip.js";
import { matchesLabelQuery, parseLabelQuery } from "../../src/model/label-query.js";
import { emptyNames, type NamedService, type NamesDocument } from "../../src/model/names-document.js";

const document: NamesDocument = {
  pods: [
    { namespace: "shop", name: "web-0", node: "node-1", labels: { app: "web" }, addresses: ["10.244.0.2", "FD00::2"] },
    {
      namespace: "shop",
      name: "cart-0",
      node: "node-2",
      labels: { app: "cart", tier: "db" },
      addresses: ["10.244.1.2"],
    },
    { namespace: "test", name: "web-0", node: "node-1", labels: {}, addresses: ["10.244.0.9"] },
  ],
  nodes: [{ name: "node-1", addresses: ["172.18.0.2", "10.244.0.1"], podCidrs: ["10.244.0.0/24"] }],
  identities: [{ id: 300, labels: ["k8s:app=web"] }],
};
const cart: NamedService = {
  namespace: "shop",
  name: "cart",
  frontends: [
    { address: "10.96.0.80", port: 80, protocol: 6 },
    { address: "0.0.0.0", port: 30080, protocol: 6 },
  ],
  backends: [{ address: "10.244.1.2", port: 8080, protocol: 6 }],
};
const names = new NameIndex(document);
names.addServices([cart]);
const codeOf = (run: () => unknown): unknown => {
  try {
    return run();
  } catch (error) {
    return error instanceof Error && "code" in error ? error.code : error;
  }
};

describe("resolveSelection", () => {
  test("nothing said means everything", () => {
    expect(Object.values(resolveSelection({}, names)).every((value) => value === undefined)).toBe(true);
    expect(Object.values(resolveSelection({ pods: [], ports: [] }, names)).every((value) => value === undefined)).toBe(
      true,
    );
  });

  test("a pod is its addresses, canonical", () => {
    expect(resolveSelection({ pods: ["shop/web-0"] }, names).addresses).toEqual(["10.244.0.2", "fd00::2"]);
    expect(resolveSelection({ pods: ["web-0"], namespace: "test" }, names).addresses).toEqual(["10.244.0.9"]);
    expect(resolveSelection({ pods: ["pod/cart-0"] }, names).addresses).toEqual(["10.244.1.2"]);
  });

  test("--pod takes an address too, whether or not a pod has it, and without any names", () => {
    expect(resolveSelection({ pods: ["192.0.2.1", "shop/cart-0"] }, names).addresses).toEqual([
      "192.0.2.1",
      "10.244.1.2",
    ]);
    const nameless = new NameIndex(emptyNames, "the agent is down");
    expect(resolveSelection({ pods: ["FD00::2"] }, nameless).addresses).toEqual(["fd00::2"]);
    expect(codeOf(() => resolveSelection({ pods: ["cart-0"] }, nameless))).toBe("names-missing");
  });

  test("a namespace is its pods and its Services' frontends", () => {
    expect(resolveSelection({ namespace: "shop" }, names).addresses).toEqual([
      "10.244.0.2",
      "fd00::2",
      "10.244.1.2",
      "10.96.0.80",
      "0.0.0.0",
    ]);
  });

  test("a selector narrows to its pods, within the namespace", () => {
    expect(resolveSelection({ selector: "app in (web,cart),!tier" }, names).addresses).toEqual([
      "10.244.0.2",
      "fd00::2",
    ]);
    expect(resolveSelection({ selector: "app", namespace: "test" }, names).addresses).toEqual([]);
  });

  test("a Service is its frontends and backends with their ports; -n says where it is", () => {
    const filter = resolveSelection({ services: ["cart"], namespace: "shop" }, names);
    expect(filter.transportAddresses).toEqual(["10.96.0.80:80", "0.0.0.0:30080", "10.244.1.2:8080"]);
    expect(filter.addresses).toBeUndefined();
  });

  test("what does not exist, or exists twice, is said", () => {
    expect(codeOf(() => resolveSelection({ pods: ["web-1"] }, names))).toBe("pod-unknown");
    expect(codeOf(() => resolveSelection({ pods: ["web-0"] }, names))).toBe("name-ambiguous");
    expect(codeOf(() => resolveSelection({ services: ["shop/crat"] }, names))).toBe("service-unknown");
    expect(codeOf(() => resolveSelection({ selector: "app=(" }, names))).toBe("selector-syntax");
  });

  test("a near name is offered", () => {
    expect(() => findNamed("service", "shop/crat", {}, names.services)).toThrow('did you mean "shop/cart"?');
  });
});

describe("NameIndex", () => {
  test("addresses, frontends, nodes and prefixes", () => {
    expect(names.ofAddress("10.244.0.2")).toEqual({ kind: "pod", namespace: "shop", name: "web-0" });
    expect(names.ofAddress("10.244.0.1")).toEqual({ kind: "node", name: "node-1" });
    expect(names.ofFrontend("10.96.0.80", 80, 6)?.name).toBe("cart");
    expect(names.ofFrontend("10.96.0.80", 80, 0)?.name).toBe("cart");
    expect(names.ofFrontend("10.96.0.80", 80, 17)).toBeUndefined();
    expect(names.ofFrontend("10.96.0.80", 81, 6)).toBeUndefined();
    expect(names.ofTransportAddress("10.96.0.80", 81, 6)).toEqual({ kind: "service", namespace: "shop", name: "cart" });
    expect(names.nodeOf("10.244.1.2")).toBe("node-2");
    expect(names.nodeOfPrefix(IpPrefix.parse("10.244.0.0/24"))).toBe("node-1");
    expect(names.labelsOf(300)).toEqual(["k8s:app=web"]);
  });

  test("the unspecified address of node ports is nobody's name", () => {
    expect(names.ofAddress("0.0.0.0")).toBeUndefined();
    expect(names.ofFrontend("0.0.0.0", 30080, 6)?.name).toBe("cart");
  });
});

describe("label queries", () => {
  const labels = { app: "web", "app.kubernetes.io/name": "x", empty: "" };
  test.each([
    ["app=web", true],
    ["app==web,empty=", true],
    ["app!=web", false],
    ["tier!=db", true],
    ["app in (web, cart)", true],
    ["app notin (web)", false],
    ["tier notin (db)", true],
    ["app", true],
    ["!app", false],
    ["!tier,app.kubernetes.io/name=x", true],
  ])("%s", (text, expected) => {
    expect(matchesLabelQuery(parseLabelQuery(text), labels)).toBe(expected);
  });

  test.each(["", "=web", "app=we b", "app in web", "app in (web", "a=b,,c=d", "!"])('refuses "%s"', (text) => {
    expect(codeOf(() => parseLabelQuery(text))).toBe("selector-syntax");
  });
});

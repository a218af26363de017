/**
 * Network policies as Kubernetes and Cilium describe them, read literally and slowly: one packet, one end after the other, no
 * identities, no maps. The policy compiler is held against this; the two share no code.
 */

type Labels = Readonly<Record<string, string>>;

export interface Pod {
  readonly kind: "pod";
  readonly namespace: string;
  readonly namespaceLabels: Labels;
  readonly labels: Labels;
  readonly ports: readonly { readonly name: string; readonly port: number; readonly protocol: number }[];
}
/** A node, or something else with a reserved name. */
export interface Reserved {
  readonly kind: "reserved";
  readonly names: readonly string[];
  readonly nodeLabels?: Labels;
}
export interface Outside {
  readonly kind: "outside";
  readonly address: string;
}
export type End = Pod | Reserved | Outside;

export interface NaivePacket {
  readonly direction: "ingress" | "egress";
  readonly subject: Pod | Reserved;
  readonly peer: End;
  readonly protocol: number;
  readonly port: number;
}

export interface NaiveOptions {
  readonly mode: "default" | "always" | "never";
  readonly cluster: string;
}

// biome-ignore lint/suspicious/noExplicitAny: policies as users write them have no type
type Written = any;
type Answer = { applies: boolean; denyByDefault: boolean; allows: boolean; denies: boolean };

const nothing: Answer = { applies: false, denyByDefault: false, allows: false, denies: false };

export function naiveVerdict(policies: readonly Written[], packet: NaivePacket, options: NaiveOptions): string {
  if (options.mode === "never") return "allow";
  const answers = policies.map((policy) =>
    policy.kind === "NetworkPolicy" ? askKube(policy, packet) : askCilium(policy, packet, options.cluster),
  );
  if (answers.some(({ denies }) => denies)) return "deny";
  const isFromOwnNode = packet.direction === "ingress" && packet.subject.kind === "pod" && isNamed(packet.peer, "host");
  const deniesByDefault = options.mode === "always" || answers.some((answer) => answer.denyByDefault);
  if (!deniesByDefault || isFromOwnNode || answers.some(({ allows }) => allows)) return "allow";
  return "default-deny";
}

function isNamed(end: End, name: string): boolean {
  return end.kind === "reserved" && end.names.includes(name);
}

// --- networking.k8s.io/v1

function askKube({ metadata, spec }: Written, packet: NaivePacket): Answer {
  const { subject, direction } = packet;
  if (subject.kind !== "pod" || subject.namespace !== metadata.namespace) return nothing;
  if (!kubeSelects(spec.podSelector, subject.labels)) return nothing;
  const types = spec.policyTypes ?? ["Ingress", ...(spec.egress?.length ? ["Egress"] : [])];
  if (!types.includes(direction === "ingress" ? "Ingress" : "Egress")) return nothing;
  const rules = (direction === "ingress" ? spec.ingress : spec.egress) ?? [];
  const allows = rules.some((rule: Written) => {
    const peers = (direction === "ingress" ? rule.from : rule.to) ?? [];
    const isPeer = peers.length === 0 || peers.some((peer: Written) => kubePeer(peer, packet.peer, metadata.namespace));
    const ports = rule.ports ?? [];
    return isPeer && (ports.length === 0 || ports.some((port: Written) => kubePort(port, packet)));
  });
  return { applies: true, denyByDefault: true, allows, denies: false };
}

function kubePeer(peer: Written, end: End, namespace: string): boolean {
  if (peer.ipBlock) {
    const { cidr, except = [] } = peer.ipBlock;
    return (
      end.kind === "outside" && inCidr(end.address, cidr) && !except.some((one: string) => inCidr(end.address, one))
    );
  }
  if (end.kind !== "pod" || !kubeSelects(peer.podSelector, end.labels)) return false;
  if (!peer.namespaceSelector) return end.namespace === namespace;
  return kubeSelects(peer.namespaceSelector, {
    ...end.namespaceLabels,
    "kubernetes.io/metadata.name": end.namespace,
  });
}

function kubePort({ protocol = "TCP", port, endPort }: Written, packet: NaivePacket): boolean {
  if (packet.protocol !== { TCP: 6, UDP: 17, SCTP: 132 }[protocol as "TCP"]) return false;
  if (port === undefined) return true;
  if (typeof port === "string") return hasNamedPort(port, packet);
  return packet.port >= port && packet.port <= (endPort ?? port);
}

function kubeSelects(selector: Written, labels: Labels): boolean {
  const pairs = Object.entries(selector?.matchLabels ?? {});
  return (
    pairs.every(([key, value]) => labels[key] === value) &&
    (selector?.matchExpressions ?? []).every((one: Written) => expressionHolds(one, labels[one.key]))
  );
}

function expressionHolds({ operator, values }: Written, value: string | undefined): boolean {
  if (operator === "In") return value !== undefined && values.includes(value);
  if (operator === "NotIn") return value === undefined || !values.includes(value);
  return operator === "Exists" ? value !== undefined : value === undefined;
}

/** The name belongs to whoever is connected to. */
function hasNamedPort(name: string, { direction, subject, peer, protocol, port }: NaivePacket): boolean {
  const target = direction === "ingress" ? subject : peer;
  if (target.kind !== "pod") return false;
  return target.ports.some((one) => one.name === name && one.port === port && one.protocol === protocol);
}

// --- cilium.io/v2

function askCilium({ metadata, spec, specs = [] }: Written, packet: NaivePacket, cluster: string): Answer {
  const all: Answer[] = [...(spec ? [spec] : []), ...specs].map((one) =>
    askSpec(one, metadata.namespace, packet, cluster),
  );
  return all.reduce(
    (sum, one) => ({
      applies: sum.applies || one.applies,
      denyByDefault: sum.denyByDefault || one.denyByDefault,
      allows: sum.allows || one.allows,
      denies: sum.denies || one.denies,
    }),
    nothing,
  );
}

function askSpec(spec: Written, namespace: string | undefined, packet: NaivePacket, cluster: string): Answer {
  const { subject, direction } = packet;
  const isNode = isNamed(subject, "host");
  if (isNode !== (spec.nodeSelector !== undefined)) return nothing;
  if (namespace !== undefined && !(subject.kind === "pod" && subject.namespace === namespace)) return nothing;
  const subjectLabels = isNode ? nodeLabels(subject as Reserved) : labelsOf(subject, cluster);
  if (!ciliumSelects(spec.endpointSelector ?? spec.nodeSelector, subjectLabels)) return nothing;
  const allow: Written[] = spec[direction] ?? [];
  const deny: Written[] = spec[`${direction}Deny`] ?? [];
  if (allow.length + deny.length === 0) return nothing;
  const matches = (rule: Written) => ruleMatches(rule, namespace, packet, cluster);
  return {
    applies: true,
    denyByDefault: spec.enableDefaultDeny?.[direction] ?? true,
    allows: allow.some(matches),
    denies: deny.some(matches),
  };
}

function ruleMatches(rule: Written, namespace: string | undefined, packet: NaivePacket, cluster: string): boolean {
  // Not supported: about nobody.
  if (rule.toFQDNs || rule.authentication) return false;
  const from = packet.direction === "ingress" ? "from" : "to";
  const lists = ["Endpoints", "Entities", "CIDR", "CIDRSet"].map((kind) => [kind, rule[from + kind]] as const);
  const given = lists.filter(([, list]) => list !== undefined);
  const hasPorts = (rule.toPorts ?? []).length + (rule.icmps ?? []).length > 0;
  if (given.length === 0 && !hasPorts) return false;
  const isPeer = given.every(([kind, list]) =>
    list.some((item: Written) => ciliumPeer(kind, item, packet.peer, namespace, cluster)),
  );
  if (!isPeer) return false;
  if (!hasPorts) return true;
  const ports = (rule.toPorts ?? []).some(
    (one: Written) => !one.rules && (one.ports ?? []).some((port: Written) => ciliumPort(port, packet)),
  );
  return ports || (rule.icmps ?? []).some((one: Written) => one.fields.some((field: Written) => icmp(field, packet)));
}

function ciliumPeer(kind: string, item: Written, end: End, namespace: string | undefined, cluster: string): boolean {
  if (kind === "Endpoints") return endpointPeer(item, end, namespace, cluster);
  if (kind === "Entities") return entity(item, end);
  if (end.kind !== "outside") return false;
  const { cidr, except = [] } = kind === "CIDR" ? { cidr: item } : item;
  return inCidr(end.address, cidr) && !except.some((one: string) => inCidr(end.address, one));
}

function endpointPeer(selector: Written, end: End, namespace: string | undefined, cluster: string): boolean {
  const keys = [
    ...Object.keys(selector.matchLabels ?? {}),
    ...(selector.matchExpressions ?? []).map((one: Written) => one.key),
  ];
  if (!ciliumSelects(selector, labelsOf(end, cluster))) return false;
  if (keys.some((key) => key.startsWith("reserved:"))) return true;
  if (end.kind !== "pod") return false;
  const namesNamespace = keys.some((key) => /^(k8s:|any:)?io\.kubernetes\.pod\.namespace$/.test(key));
  const namesLabels = keys.some((key) => /^(k8s:|any:)?io\.cilium\.k8s\.namespace\.labels\./.test(key));
  return namespace === undefined || namesNamespace || namesLabels || end.namespace === namespace;
}

function entity(name: string, end: End): boolean {
  const inside = ["host", "remote-node", "init", "ingress", "health", "unmanaged", "kube-apiserver"];
  switch (name) {
    case "all":
      return true;
    case "cluster":
      return end.kind === "pod" || inside.some((one) => isNamed(end, one));
    case "world":
      return end.kind === "outside" || isNamed(end, "world");
    case "world-ipv4":
      return end.kind === "outside" && !end.address.includes(":");
    case "world-ipv6":
      return end.kind === "outside" && end.address.includes(":");
    default:
      return isNamed(end, name);
  }
}

function ciliumPort({ port, endPort, protocol = "ANY" }: Written, packet: NaivePacket): boolean {
  const wanted = protocol === "ANY" ? [6, 17, 132] : [{ TCP: 6, UDP: 17, SCTP: 132 }[protocol as "TCP"]];
  if (!wanted.includes(packet.protocol)) return false;
  if (port === "0") return true;
  if (!/^\d+$/.test(port)) return hasNamedPort(port, packet);
  return packet.port >= Number(port) && packet.port <= (endPort || Number(port));
}

function icmp({ family = "IPv4", type }: Written, packet: NaivePacket): boolean {
  const types: Readonly<Record<string, number>> =
    family === "IPv4" ? { EchoRequest: 8, EchoReply: 0 } : { EchoRequest: 128, EchoReply: 129 };
  return packet.protocol === (family === "IPv4" ? 1 : 58) && packet.port === (types[type] ?? Number(type));
}

/** Every label with its source. */
function labelsOf(end: End, cluster: string): Labels {
  if (end.kind === "reserved") return Object.fromEntries(end.names.map((name) => [`reserved:${name}`, ""]));
  if (end.kind === "outside") return { [`reserved:world-ipv${end.address.includes(":") ? 6 : 4}`]: "" };
  const entries = [
    ...Object.entries(end.labels),
    ...Object.entries({ ...end.namespaceLabels, "kubernetes.io/metadata.name": end.namespace }).map(
      ([key, value]) => [`io.cilium.k8s.namespace.labels.${key}`, value] as const,
    ),
    ["io.kubernetes.pod.namespace", end.namespace] as const,
    ["io.cilium.k8s.policy.cluster", cluster] as const,
  ];
  return Object.fromEntries(entries.map(([key, value]) => [`k8s:${key}`, value]));
}

function nodeLabels({ nodeLabels = {} }: Reserved): Labels {
  return Object.fromEntries(Object.entries(nodeLabels).map(([key, value]) => [`k8s:${key}`, value]));
}

/** A key without source, or with `any:`, is a label of any source. */
function ciliumSelects(selector: Written, labels: Labels): boolean {
  const find = (key: string): string | undefined => {
    const bare = key.replace(/^any:/, "");
    if (bare.includes(":")) return labels[bare];
    return Object.entries(labels).find(([sourced]) => sourced.slice(sourced.indexOf(":") + 1) === bare)?.[1];
  };
  return (
    Object.entries(selector.matchLabels ?? {}).every(([key, value]) => find(key) === value) &&
    (selector.matchExpressions ?? []).every((one: Written) => expressionHolds(one, find(one.key)))
  );
}

// --- addresses

function inCidr(address: string, cidr: string): boolean {
  const [base, length] = cidr.split("/") as [string, string | undefined];
  if (address.includes(":") !== base.includes(":")) return false;
  const bits = address.includes(":") ? 128n : 32n;
  const shift = bits - BigInt(length ?? bits);
  return toNumber(address) >> shift === toNumber(base) >> shift;
}

/** Decimals, or groups with at most one `::`. */
function toNumber(address: string): bigint {
  if (!address.includes(":")) return address.split(".").reduce((sum, part) => (sum << 8n) + BigInt(part), 0n);
  const [head = "", tail] = address.split("::");
  const groups = (text: string) => (text === "" ? [] : text.split(":"));
  const before = groups(head);
  const after = tail === undefined ? [] : groups(tail);
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => "0");
  return [...before, ...zeros, ...after].reduce((sum, part) => (sum << 16n) + BigInt(`0x${part}`), 0n);
}

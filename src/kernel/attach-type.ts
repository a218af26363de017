/** `enum bpf_attach_type`, the hooks of a cgroup (bit-stable UAPI numbers). */
export const cgroupAttachTypeNumbers = {
  inet_ingress: 0,
  inet_egress: 1,
  inet_sock_create: 2,
  sock_ops: 3,
  inet4_bind: 8,
  inet6_bind: 9,
  inet4_connect: 10,
  inet6_connect: 11,
  inet4_post_bind: 12,
  inet6_post_bind: 13,
  udp4_sendmsg: 14,
  udp6_sendmsg: 15,
  udp4_recvmsg: 19,
  udp6_recvmsg: 20,
  inet4_getpeername: 29,
  inet6_getpeername: 30,
  inet4_getsockname: 31,
  inet6_getsockname: 32,
  inet_sock_release: 34,
} as const;
export type CgroupAttachType = keyof typeof cgroupAttachTypeNumbers;

/** Hooks of a network device that take links. */
export const deviceAttachTypeNumbers = {
  xdp: 37,
  tcx_ingress: 46,
  tcx_egress: 47,
  netkit_primary: 54,
  netkit_peer: 55,
} as const;
export type DeviceAttachType = keyof typeof deviceAttachTypeNumbers;

/** Hooks of programs that know the kernel's types: `BPF_TRACE_*`. */
export const tracingAttachTypeNumbers = { tp_btf: 23, fentry: 24, fexit: 25, iter: 28 } as const;
export type TracingAttachType = keyof typeof tracingAttachTypeNumbers;

export type AttachType = CgroupAttachType | DeviceAttachType | TracingAttachType | `type_${number}`;

const namesByNumber: ReadonlyMap<number, AttachType> = new Map(
  (
    [cgroupAttachTypeNumbers, deviceAttachTypeNumbers, tracingAttachTypeNumbers].flatMap(Object.entries) as [
      AttachType,
      number,
    ][]
  ).map(([name, number]) => [number, name]),
);

export function attachTypeName(number: number): AttachType {
  return namesByNumber.get(number) ?? `type_${number}`;
}

/** Programs of one hook of a device run in attach order: `ingress` sees what the device receives. */
export type TrafficDirection = "ingress" | "egress";

/** `enum bpf_link_type` under the names that bpftool prints. */
const linkTypeNames = [
  "unspec",
  "raw_tracepoint",
  "tracing",
  "cgroup",
  "iter",
  "netns",
  "xdp",
  "perf_event",
  "kprobe_multi",
  "struct_ops",
  "netfilter",
  "tcx",
  "uprobe_multi",
  "netkit",
  "sockmap",
] as const;
export type LinkType = (typeof linkTypeNames)[number] | `type_${number}`;

export function linkTypeName(number: number): LinkType {
  return linkTypeNames[number] ?? `type_${number}`;
}

import { existsSync } from "node:fs";
import { cgroupAttachTypeNumbers, deviceAttachTypeNumbers } from "./attach-type.js";
import { Errno } from "./errno.js";
import {
  attachAnswers,
  hasBatchLookup,
  type KernelTypes,
  loads,
  loadsSockAddr,
  loadsTracing,
  opensPerfBuffer,
  returning,
  runs,
  withMap,
} from "./feature-trial.js";
import {
  addToRegister,
  assemble,
  callHelper,
  copyRegister,
  exitProgram,
  setRegister,
  zeroStackWord,
} from "./instructions.js";
import { MapFlag, mapTypeNumbers } from "./map-type.js";
import type { NativeAddon } from "./native-addon.js";

export interface FeatureProbe {
  /** Name in `CTS_DISABLE_FEATURES`. */
  readonly name: string;
  /** First kernel release that has it. */
  readonly since: string;
  /** What the probe does, in words. */
  readonly probed: string;
  /** What the product does without it. */
  readonly costWhenMissing: string;
  /** Sections of programs that cannot be loaded without it, by how they begin; left out: any program may need it. */
  readonly sections?: readonly string[];
  readonly run: (addon: NativeAddon, kernelTypes: KernelTypes) => boolean;
}

/** Helper function ids of include/uapi/linux/bpf.h. */
const helper = {
  l4_csum_replace: 11,
  fib_lookup: 69,
  probe_read_kernel: 113,
  get_netns_cookie: 122,
  ktime_get_boot_ns: 125,
  redirect_neigh: 152,
  redirect_peer: 155,
  set_retval: 187,
} as const;

/** Flags of bpf_l4_csum_replace, and somewhere in a packet that a checksum can be. */
const pseudoHeaderFlag = 1 << 4;
const ipv6Flag = 1 << 7;
const checksumOffset = 32;
const loopbackIfindex = 1;
/** `XDP_FLAGS_HW_MODE` */
const xdpHardwareMode = 1 << 3;

/** Every feature that changes what we do, each found out by trying it on this kernel. */
export const featureProbes: readonly FeatureProbe[] = [
  {
    name: "tcx",
    since: "6.6",
    probed: "list the tcx programs of the loopback device",
    costWhenMissing: "tc programs attach with clsact: no links, not replaced by link update, order by priority",
    sections: [],
    run: (addon) => addon.queryHook(loopbackIfindex, deviceAttachTypeNumbers.tcx_ingress, 0, true) !== -Errno.EINVAL,
  },
  {
    name: "batch",
    since: "5.6",
    probed: "batch look-up on an empty hash map",
    costWhenMissing: "maps are read key by key: three times slower, and a busy map may be reported as partial",
    sections: [],
    run: (addon) => withMap(addon, "hash", (map) => hasBatchLookup(map, 4)),
  },
  {
    name: "lpm_batch",
    since: "5.16",
    probed: "batch look-up on an empty LPM trie",
    costWhenMissing: "the ipcache is read key by key",
    sections: [],
    run: (addon) => withMap(addon, "lpm_trie", (map) => hasBatchLookup(map, 8)),
  },
  {
    name: "ringbuf",
    since: "5.8",
    probed: "create a ring buffer map",
    costWhenMissing: "the datapath cannot run: its programs name the rings of their events; reading maps works",
    run: (addon) => withMap(addon, "ringbuf", () => true),
  },
  {
    name: "perf_buffer",
    since: "4.4",
    probed: "open a perf event of each CPU and put it into a map",
    costWhenMissing: "none where there are ring buffers",
    sections: [],
    run: (addon) => withMap(addon, "perf_event_array", (map) => opensPerfBuffer(addon, map)),
  },
  {
    name: "btf",
    since: "4.18 (CONFIG_DEBUG_INFO_BTF)",
    probed: "/sys/kernel/btf/vmlinux exists",
    costWhenMissing: "drop reasons of the kernel are shown as numbers; programs that need kernel types are skipped",
    run: () => existsSync("/sys/kernel/btf/vmlinux"),
  },
  {
    name: "map_iterator",
    since: "5.9 (CONFIG_DEBUG_INFO_BTF)",
    probed: "load an iterator over the elements of a map",
    costWhenMissing: "none: maps are read by batch calls and bucket walks",
    sections: ["iter/"],
    run: (addon, kernelTypes) => loadsTracing(addon, kernelTypes, "iter", "mapElements"),
  },
  {
    name: "probe_read_kernel",
    since: "5.5 (not under kernel lockdown)",
    probed: "load a tc program that calls bpf_probe_read_kernel",
    costWhenMissing: "large and nearly empty maps are read by calls that cannot be interrupted",
    run: (addon) =>
      loads(
        addon,
        "sched_cls",
        0,
        assemble(
          zeroStackWord(-8),
          copyRegister(1, 10),
          addToRegister(1, -8),
          setRegister(2, 8),
          setRegister(3, 0),
          callHelper(helper.probe_read_kernel),
          setRegister(0, 0),
          exitProgram(),
        ),
      ),
  },
  {
    name: "lru",
    since: "4.10",
    probed: "create an LRU hash map",
    costWhenMissing: "the datapath cannot run: conntrack is an LRU map",
    run: (addon) => withMap(addon, "lru_hash", () => true),
  },
  {
    name: "lpm",
    since: "4.11",
    probed: "create an LPM trie",
    costWhenMissing: "the datapath cannot run: the ipcache is an LPM trie",
    run: (addon) => withMap(addon, "lpm_trie", () => true),
  },
  {
    name: "map_in_map",
    since: "4.12",
    probed: "create a hash of maps",
    costWhenMissing: "the datapath cannot run: policies are maps in a map",
    run: (addon) => withMap(addon, "hash", (inner) => withMap(addon, "hash_of_maps", () => true, inner)),
  },
  {
    name: "global_data",
    since: "5.2",
    probed: "create an array map that programs cannot write, and freeze it",
    costWhenMissing: "the datapath cannot run: node configuration is .rodata",
    run: (addon) => {
      const map = new addon.BpfMap();
      const isMade = map.create(mapTypeNumbers.array, "cts_probe", 4, 4, 1, MapFlag.readOnlyProgram, -1) >= 0;
      const isFrozen = isMade && map.freeze() >= 0;
      map.close();
      return isFrozen;
    },
  },
  {
    name: "bpf_link_update",
    since: "5.7",
    probed: "BPF_LINK_UPDATE with a bad descriptor answers EBADF",
    costWhenMissing: "an agent restart detaches and attaches again: packets may pass unhandled in between",
    sections: [],
    run: (addon) => new addon.BpfLink().update(-1) === -Errno.EBADF,
  },
  {
    name: "cgroup_link",
    since: "5.7",
    probed: "attach a program to descriptor -1 as a cgroup answers EBADF",
    costWhenMissing: "the socket load balancer cannot be attached",
    sections: [],
    run: (addon) =>
      attachAnswers(addon, "cgroup_sock_addr", cgroupAttachTypeNumbers.inet4_connect, [0xffffffff, 0], Errno.EBADF),
  },
  {
    name: "xdp_link",
    since: "5.9",
    probed: "attach an XDP program to the hardware of the loopback device answers EOPNOTSUPP: it has none",
    costWhenMissing: "no program of ours runs at XDP",
    sections: [],
    run: (addon) =>
      attachAnswers(addon, "xdp", deviceAttachTypeNumbers.xdp, [loopbackIfindex, xdpHardwareMode], Errno.EOPNOTSUPP),
  },
  {
    name: "cgroup_sock_addr",
    since: "4.17",
    probed: "load a connect4 program",
    costWhenMissing: "no socket load balancing: services are translated packet by packet",
    sections: ["cgroup/"],
    run: loadsSockAddr("inet4_connect"),
  },
  {
    name: "cgroup_recvmsg",
    since: "5.2",
    probed: "load a recvmsg4 program",
    costWhenMissing: "unconnected UDP sockets see the backend's address instead of the service's",
    sections: ["cgroup/recvmsg"],
    run: loadsSockAddr("udp4_recvmsg"),
  },
  {
    name: "cgroup_getpeername",
    since: "5.8",
    probed: "load a getpeername4 program",
    costWhenMissing: "getpeername() tells the backend instead of the service",
    sections: ["cgroup/getpeername"],
    run: loadsSockAddr("inet4_getpeername"),
  },
  {
    name: "set_retval",
    since: "5.18",
    probed: "load a connect4 program that calls bpf_set_retval",
    costWhenMissing: "connect() to a service without backends fails with EPERM instead of EHOSTUNREACH",
    run: (addon) =>
      loads(
        addon,
        "cgroup_sock_addr",
        cgroupAttachTypeNumbers.inet4_connect,
        assemble(setRegister(1, 0), callHelper(helper.set_retval), setRegister(0, 1), exitProgram()),
      ),
  },
  {
    name: "netns_cookie",
    since: "5.7",
    probed: "load a connect4 program that calls bpf_get_netns_cookie",
    costWhenMissing: "the socket load balancer cannot tell host sockets from pod sockets",
    run: (addon) =>
      loads(
        addon,
        "cgroup_sock_addr",
        cgroupAttachTypeNumbers.inet4_connect,
        assemble(callHelper(helper.get_netns_cookie), setRegister(0, 1), exitProgram()),
      ),
  },
  {
    name: "redirect_peer",
    since: "5.10",
    probed: "load a tc program that calls bpf_redirect_peer",
    costWhenMissing: "packets to local pods pass the host's backlog queue: some 4 % fewer connections a second",
    run: (addon) =>
      loads(
        addon,
        "sched_cls",
        0,
        assemble(setRegister(1, 1), setRegister(2, 0), callHelper(helper.redirect_peer), exitProgram()),
      ),
  },
  {
    name: "redirect_neigh",
    since: "5.10",
    probed: "load a tc program that calls bpf_redirect_neigh",
    costWhenMissing: "packets that leave the node take the stack's forwarding path",
    run: (addon) =>
      loads(
        addon,
        "sched_cls",
        0,
        assemble(
          ...[1, 0, 0, 0].map((value, index) => setRegister(index + 1, value)),
          callHelper(helper.redirect_neigh),
          exitProgram(),
        ),
      ),
  },
  {
    name: "fib_lookup",
    since: "4.18",
    probed: "load a tc program that calls bpf_fib_lookup",
    costWhenMissing: "routes are left to the stack",
    run: (addon) =>
      loads(
        addon,
        "sched_cls",
        0,
        assemble(
          ...Array.from({ length: 8 }, (_, index) => zeroStackWord(-8 * (index + 1))),
          copyRegister(2, 10),
          addToRegister(2, -64),
          setRegister(3, 64),
          setRegister(4, 0),
          callHelper(helper.fib_lookup),
          setRegister(0, 0),
          exitProgram(),
        ),
      ),
  },
  {
    name: "csum_ipv6",
    since: "6.16, and later releases of older kernels",
    probed: "run a tc program that calls bpf_l4_csum_replace with BPF_F_IPV6",
    costWhenMissing:
      "where a device sums packets up, translated ones of IPv6 are summed up again, which the kernel logs",
    sections: [],
    run: (addon) =>
      runs(
        addon,
        "sched_cls",
        assemble(
          ...[checksumOffset, 0, 0, pseudoHeaderFlag | ipv6Flag].map((value, index) => setRegister(index + 2, value)),
          callHelper(helper.l4_csum_replace),
          exitProgram(),
        ),
      ),
  },
  {
    name: "ktime_boot",
    since: "5.8",
    probed: "load a tc program that calls bpf_ktime_get_boot_ns",
    costWhenMissing: "times of conntrack entries stand still while the machine sleeps",
    run: (addon) =>
      loads(addon, "sched_cls", 0, assemble(callHelper(helper.ktime_get_boot_ns), setRegister(0, 0), exitProgram())),
  },
  {
    name: "raw_tracepoint",
    since: "4.17",
    probed: "load a raw tracepoint program",
    costWhenMissing: "drops of the kernel's own stack are not seen",
    sections: ["raw_tp/", "raw_tracepoint/"],
    run: (addon) => loads(addon, "raw_tracepoint", 0, returning(0)),
  },
  {
    name: "tp_btf",
    since: "5.5 (CONFIG_DEBUG_INFO_BTF)",
    probed: "load a program for the tracepoint kfree_skb that knows its types",
    costWhenMissing: "tracepoints are read by their raw arguments",
    sections: ["tp_btf/"],
    run: (addon, kernelTypes) => loadsTracing(addon, kernelTypes, "tp_btf", "freedPacket"),
  },
  {
    name: "fentry",
    since: "5.5 (CONFIG_DEBUG_INFO_BTF, CONFIG_FUNCTION_TRACER)",
    probed: "load a program for the function bpf_fentry_test1",
    costWhenMissing: "no function of the kernel is traced",
    sections: ["fentry/", "fexit/"],
    run: (addon, kernelTypes) => loadsTracing(addon, kernelTypes, "fentry", "testFunction"),
  },
  {
    name: "run_stats",
    since: "5.8",
    probed: "BPF_ENABLE_STATS",
    costWhenMissing: "no run times of programs",
    sections: [],
    run: (addon) => {
      const stats = new addon.RunStats();
      const isOn = stats.open() >= 0;
      stats.close();
      return isOn;
    },
  },
];

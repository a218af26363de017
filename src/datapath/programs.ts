import { join } from "node:path";
import { BpfObject } from "../kernel/bpf-object.js";
import type { BpfProgram } from "../kernel/bpf-program.js";
import type { MapSet } from "./map-set.js";

/** Object file → its programs, by the name that the rest of the datapath uses. */
const objects = {
  from_container: { fromContainer: "cts_lxc_ingress" },
  to_container: { toContainer: "cts_lxc_egress" },
  from_overlay: { fromOverlay: "cts_vxlan_ingress" },
  from_host: { fromHost: "cts_host_egress" },
  to_host: { toHost: "cts_host_ingress" },
  from_netdev: { fromNetdev: "cts_netdev_ingress" },
  to_netdev: { toNetdev: "cts_netdev_egress" },
  xdp: { xdp: "cts_xdp_ingress" },
  sock4: {
    connect4: "cts_sock4_connect",
    sendmsg4: "cts_sock4_sendmsg",
    recvmsg4: "cts_sock4_recvmsg",
    getpeername4: "cts_sock4_getpeer",
    postBind4: "cts_sock4_post_bind",
  },
  sock6: {
    connect6: "cts_sock6_connect",
    sendmsg6: "cts_sock6_sendmsg",
    recvmsg6: "cts_sock6_recvmsg",
    getpeername6: "cts_sock6_getpeer",
    postBind6: "cts_sock6_post_bind",
  },
} as const;

type ProgramKeys<T> = T extends Record<string, unknown> ? keyof T : never;
export type ProgramKey = { [File in keyof typeof objects]: ProgramKeys<(typeof objects)[File]> }[keyof typeof objects];

export type Programs = Readonly<Record<ProgramKey, BpfProgram>>;

export interface LoadOptions {
  /** Folder of the compiled objects. */
  readonly objectsDir: string;
  readonly maps: Pick<MapSet, "get">;
  /** The bytes of `struct datapath_config`, all there is in `.rodata`. */
  readonly config: Buffer;
}

/** Loads every program of the datapath over the pinned maps. Nothing is attached yet. */
export function loadPrograms(options: LoadOptions): Programs {
  const loaded: Partial<Record<ProgramKey, BpfProgram>> = {};
  for (const [file, programs] of Object.entries(objects)) {
    using object = BpfObject.open(join(options.objectsDir, `${file}.bpf.o`), { name: `cts_${file}` });
    if (object.rodata !== undefined) object.setRodata(options.config);
    for (const map of object.maps) if (!map.isInternal) object.reuseMap(map.name, options.maps.get(map.name));
    object.load();
    for (const [key, name] of Object.entries(programs)) loaded[key as ProgramKey] = object.program(name);
  }
  return loaded as Programs;
}

export function closePrograms(programs: Programs): void {
  for (const program of Object.values(programs)) program.close();
}

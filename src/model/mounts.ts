/** A mount, as `/proc/<pid>/mountinfo` tells it (proc_pid_mountinfo(5)). */
export interface Mount {
  readonly mountId: number;
  readonly parentId: number;
  /** `major:minor` */
  readonly device: string;
  /** What of the file system is mounted. */
  readonly root: string;
  readonly mountPoint: string;
  readonly mountOptions: string;
  /** Such as `shared:25`. */
  readonly optionalFields: readonly string[];
  readonly filesystem: string;
  readonly source: string;
  readonly superOptions: string;
}

/** The mounts of a mount table, in its order; lines of another form are left out. */
export function parseMounts(table: string): readonly Mount[] {
  return table.split("\n").flatMap((line) => parseMount(line) ?? []);
}

/** `36 35 98:0 /root /mount rw,noatime shared:1 - type source rw,mode=700`; undefined when it is no such line. */
function parseMount(line: string): Mount | undefined {
  const [left = "", right = "", ...more] = line.split(" - ");
  const [id = "", parent = "", device, root, mountPoint, mountOptions, ...optionalFields] = left.split(" ");
  const [filesystem, source, superOptions] = right.split(" ");
  const isWhole = mountOptions !== undefined && superOptions !== undefined && more.length === 0;
  if (!isWhole || !/^\d+$/.test(id) || !/^\d+$/.test(parent)) return undefined;
  return {
    mountId: Number(id),
    parentId: Number(parent),
    device: device!,
    root: root!,
    mountPoint: mountPoint!,
    mountOptions,
    optionalFields,
    filesystem: filesystem!,
    source: source!,
    superOptions,
  };
}

/** `lab list`: one lab of this machine. */
export interface LabRow {
  readonly name: string;
  /** `stopped`: pods and agents run, their supervisor does not. `broken`: left behind by an interrupted command. */
  readonly state: "running" | "stopped" | "broken";
  readonly nodes: number;
  readonly pods: number;
  /** RFC 3339; absent for a broken lab. */
  readonly createdAt?: string | undefined;
}

/** `lab status`: one node or pod of a lab. */
export interface LabObjectRow {
  readonly kind: "Node" | "Pod";
  readonly namespace?: string | undefined;
  readonly name: string;
  /** Of a pod: the node it runs on. */
  readonly node?: string | undefined;
  /** What kubectl would show: Ready, NotReady, Running, Pending, CrashLoopBackOff, Terminating … */
  readonly status: string;
  /** Why it is not ready. */
  readonly message?: string | undefined;
  readonly ready: number;
  readonly containers: number;
  readonly restarts: number;
  /** One for each family; empty while it has none. */
  readonly addresses: readonly string[];
  /** Host pid of the node's pid 1, or of the pod's first container. */
  readonly pid?: number | undefined;
  readonly createdAt?: string | undefined;
}

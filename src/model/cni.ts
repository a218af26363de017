/** What the CNI plugin (or the lab) hands over for ADD, CHECK and DEL. */
export interface CniRequest {
  readonly containerId: string;
  /** Path of the network namespace. May be empty for DEL: the namespace can be gone (CNI 1.0, DEL). */
  readonly netns: string;
  readonly ifName: string;
  readonly podName: string;
  readonly podNamespace: string;
  readonly podUid?: string;
  /** Overrides the underlay device's MTU. */
  readonly mtu?: number;
}

/** Success of ADD and CHECK: a result of CNI 1.0.0. */
export interface CniResult {
  readonly cniVersion: "1.0.0";
  readonly interfaces: readonly { readonly name: string; readonly mac: string; readonly sandbox?: string }[];
  readonly ips: readonly { readonly address: string; readonly gateway: string; readonly interface: number }[];
  readonly routes: readonly { readonly dst: string; readonly gw?: string }[];
}

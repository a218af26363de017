/** `cilium_policy_v2_00878` for endpoint 878. */
export function policyMapName(id: number): string {
  return `cilium_policy_v2_${String(id).padStart(5, "0")}`;
}

/** 878 for `cilium_policy_v2_00878`, in either of upstream's spellings; undefined for other maps. */
export function endpointOfPolicyMap(name: string): number | undefined {
  const id = /^cilium_policy_(?:v2_)?(\d{5})$/.exec(name)?.[1];
  return id === undefined ? undefined : Number(id);
}

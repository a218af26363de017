import type { CniRequest } from "../../model/cni.js";
import { CniError, CniErrorCode } from "./cni-error.js";

/** Names reach iproute2's batch mode, where a blank or a line break would be another word or step. */
const safeText = {
  containerId: /^[A-Za-z0-9][A-Za-z0-9_.-]{0,255}$/,
  // IFNAMSIZ 16 with the final zero; CNI spec, "ifName".
  ifName: /^(?!\.{1,2}$)[A-Za-z0-9_.@-]{1,15}$/,
  netns: /^\/[A-Za-z0-9_./:@+-]{1,4094}$/,
  // RFC 1123 subdomain.
  podName: /^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/,
  podNamespace: /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/,
  podUid: /^[A-Za-z0-9-]{1,128}$/,
} as const;

/** @throws CniError code 4 that names every field that is wrong */
export function parseCniRequest(body: unknown, verb: "add" | "del" | "check"): CniRequest {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new CniError(CniErrorCode.decodingFailure, "the request is not a JSON object");
  }
  const fields = body as Record<string, unknown>;
  const optional = verb === "del" ? ["netns", "podName", "podNamespace", "podUid"] : ["podUid"];
  const problems: string[] = [];
  for (const [name, pattern] of Object.entries(safeText)) {
    const value = fields[name];
    if ((value === undefined || value === "") && optional.includes(name)) continue;
    if (typeof value !== "string" || !pattern.test(value)) problems.push(`${name} is ${describe(value)}`);
  }
  const mtu = fields.mtu;
  if (mtu !== undefined && !(Number.isInteger(mtu) && (mtu as number) >= 576 && (mtu as number) <= 65_520)) {
    problems.push(`mtu is ${describe(mtu)}, not 576…65520`);
  }
  if (problems.length > 0) {
    throw new CniError(CniErrorCode.invalidEnvironment, `bad ${verb.toUpperCase()} request: ${problems.join("; ")}`);
  }
  return {
    containerId: fields.containerId as string,
    netns: (fields.netns as string | undefined) ?? "",
    ifName: fields.ifName as string,
    podName: (fields.podName as string | undefined) ?? "",
    podNamespace: (fields.podNamespace as string | undefined) ?? "",
    ...(fields.podUid ? { podUid: fields.podUid as string } : {}),
    ...(mtu === undefined ? {} : { mtu: mtu as number }),
  };
}

function describe(value: unknown): string {
  return value === undefined ? "missing" : `${JSON.stringify(value)}`;
}

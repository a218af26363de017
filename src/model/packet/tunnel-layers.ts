import { be16, be24, type Decoding, decoded, undecodable } from "./decoding.js";
import type { GeneveLayer, GeneveOption, VxlanLayer } from "./layers.js";

export function decodeVxlan(data: Uint8Array): Decoding<VxlanLayer> {
  if (data.length < 8) return undecodable("vxlan packet too small");
  return decoded({
    kind: "vxlan",
    contents: data.subarray(0, 8),
    payload: data.subarray(8),
    hasVni: (data[0]! & 0x08) !== 0,
    vni: be24(data, 4),
    hasGroupPolicy: (data[0]! & 0x80) !== 0,
    isDontLearn: (data[1]! & 0x40) !== 0,
    isPolicyApplied: (data[1]! & 0x80) !== 0,
    groupPolicyId: be16(data, 2),
  });
}

const geneveBytes = 8;

export function decodeGeneve(data: Uint8Array): Decoding<GeneveLayer> {
  const optionsLengthBytes = 4 * ((data[0] ?? 0) & 0x3f);
  const end = geneveBytes + optionsLengthBytes;
  if (data.length < end) return undecodable("geneve packet too short", true);
  const options: GeneveOption[] = [];
  for (let offset = geneveBytes; offset < end; ) {
    const option = geneveOption(data.subarray(offset));
    if (option === undefined) return undecodable("geneve option too small", true);
    options.push(option);
    offset += option.lengthBytes;
  }
  const used = options.reduce((sum, option) => sum + option.lengthBytes, geneveBytes);
  return decoded({
    kind: "geneve",
    contents: data.subarray(0, used),
    payload: data.subarray(used),
    version: data[0]! >> 7,
    optionsLengthBytes,
    isControl: (data[1]! & 0x80) !== 0,
    hasCriticalOptions: (data[1]! & 0x40) !== 0,
    protocol: be16(data, 2),
    vni: be24(data, 4),
    options,
  });
}

function geneveOption(data: Uint8Array): GeneveOption | undefined {
  if (data.length < 4) return undefined;
  const lengthBytes = 4 * (data[3]! & 0x1f) + 4;
  if (data.length < lengthBytes) return undefined;
  return {
    class: be16(data, 0),
    type: data[2]!,
    flags: data[3]! >> 5,
    lengthBytes,
    data: data.subarray(4, lengthBytes),
  };
}

import { describe, expect, it } from "vitest";
import { declaredStructs } from "../../src/abi/declared-layouts.js";
import { hasLayout, layoutOf } from "../../src/abi/layouts.js";
import { type Release, releases } from "../../src/abi/release.js";
import { upstreamMap } from "../../src/abi/upstream-maps.js";
import { measuredMaps, measuredStructs } from "./upstream-layout-files.js";

const measured = measuredStructs();
const structs = declaredStructs.filter((struct) => measured.has(struct));
const readOnlyProgram = 0x80;

/** Fields that we read otherwise than upstream's headers declare them: in which releases, and why. */
const readOtherwise: readonly (readonly [field: string, among: readonly Release[], why: string])[] = [
  ["ipcache_key.prefixlen", releases, "the only field of the structure lpm_key"],
  ["policy_key.prefixlen", releases, "the only field of the structure lpm_key"],
  ["ct_entry.nat46", ["1.15"], "called unused_nat46"],
  ["ct_entry.reserved3", ["1.14", "1.15"], "called reserved"],
  ["ct_entry.need_dsr_info", ["1.20"], "called reserved1 in the headers before 1.20.0"],
  ["edt_id.id", ["1.14", "1.15", "1.16", "1.17"], "64 bits, of which endpoint ids fill 16"],
  ["edt_id.pad", ["1.14", "1.15", "1.16", "1.17"], "the upper half of the id"],
  ["drop_notify.flags", ["1.17"], "the bit fields ipv6 and l3_dev of the same byte"],
  ["trace_notify.flags", ["1.14", "1.15", "1.16", "1.17"], "the bit fields ipv6 and l3_dev of the same byte"],
  ["endpoint_info.event_options", ["1.20"], "padding, which is zero"],
  ["endpoint_info.pad2", ["1.20"], "the rest of it"],
  ["ipv6_revnat_tuple.pad2", releases, "padding, which is zero"],
  ["policy_verdict_notify.l3", ["1.14", "1.15", "1.16", "1.18"], "padding, which is zero"],
];

function isReadOtherwise(field: string, release: Release): boolean {
  return readOtherwise.some(([name, among]) => name === field && among.includes(release));
}

describe("declared layouts against upstream's headers", () => {
  it.each(structs.flatMap((struct) => releases.map((release): [string, Release] => [struct, release])))(
    "%s in %s",
    (struct, release) => {
      const theirs = measured.get(struct)!.get(release);
      if (theirs === undefined || !hasLayout(struct, release)) return;
      const ours = layoutOf(struct, release);
      expect(ours.sizeBytes).toBe(theirs.sizeBytes);
      for (const [name, { offset, sizeBytes, bit }] of Object.entries(ours.fields)) {
        const leaf = name.split(".").at(-1)!;
        if (isReadOtherwise(`${struct}.${leaf}`, release)) continue;
        const places = theirs.fields.filter((field) => field.name === leaf);
        expect({ [name]: places }).toEqual({
          [name]: expect.arrayContaining([{ name: leaf, offset, sizeBytes, ...(bit === undefined ? {} : { bit }) }]),
        });
      }
    },
  );

  it("are there for every structure that a release's headers have", () => {
    const lacking = structs.flatMap((struct) =>
      [...measured.get(struct)!.keys()].filter((release) => !hasLayout(struct, release)).map((of) => `${struct} ${of}`),
    );
    expect(lacking).toEqual([]);
  });
});

/** Pins of the maps that have other names in the C sources. */
const pinOf: Readonly<Record<string, string>> = {
  NODE_MAP: "cilium_node_map",
  cilium_node_map: "cilium_node_map_v2",
  IP_MASQ_AGENT_IPV4: "cilium_ipmasq_v4",
  IP_MASQ_AGENT_IPV6: "cilium_ipmasq_v6",
  v4_dyn: "cilium_cidr_v4_dyn",
  v4_fix: "cilium_cidr_v4_fix",
  v6_dyn: "cilium_cidr_v6_dyn",
  v6_fix: "cilium_cidr_v6_fix",
  cilium_auth: "cilium_auth_map",
  cilium_calls: "cilium_calls_NNNNN",
  cilium_ct_any4_65535: "cilium_ct_any4_global",
  cilium_ct_any6_65535: "cilium_ct_any6_global",
  cilium_ct_tcp4_65535: "cilium_ct4_global",
  cilium_ct_tcp6_65535: "cilium_ct6_global",
  cilium_lb4_backends: "cilium_lb4_backends_v3",
  cilium_lb6_backends: "cilium_lb6_backends_v3",
  cilium_lb4_maglev_outer: "cilium_lb4_maglev",
  cilium_lb6_maglev_outer: "cilium_lb6_maglev",
  cilium_lb4_services: "cilium_lb4_services_v2",
  cilium_lb6_services: "cilium_lb6_services_v2",
  cilium_neigh4: "cilium_nodeport_neigh4",
  cilium_neigh6: "cilium_nodeport_neigh6",
  cilium_policy_v2: "cilium_policy_v2_NNNNN",
  cilium_srv6_state4: "cilium_srv6_state_v4",
  cilium_srv6_state6: "cilium_srv6_state_v6",
};

/** Of the programs alone: scratch space, and the recorder, which is gone since 1.19. */
const unlisted = /buffer[46]?$|_storage$|^cilium_capture|_cache$/i;

describe("upstream's maps against those of its programs", () => {
  it.each([...measuredMaps()])("%s: type, sizes and whether programs may write", (release, maps) => {
    expect(maps.length).toBeGreaterThan(50);
    for (const { name, type, keySizeBytes, valueSizeBytes, flags } of maps) {
      if (unlisted.test(name)) continue;
      const short = name.replace(/^test_/, "");
      // Before 1.16 there was only one map of nodes.
      const isOldNodeMap = short === "cilium_node_map" && valueSizeBytes === 2;
      const form = upstreamMap(isOldNodeMap ? short : (pinOf[short] ?? short), release);
      expect({
        name,
        type: form?.type,
        keySizeBytes: form?.keySizeBytes,
        valueSizeBytes: valueSizeBytes === undefined ? undefined : form?.valueSizeBytes,
        isReadOnly: ((form?.flags ?? 0) & readOnlyProgram) !== 0,
      }).toEqual({ name, type, keySizeBytes, valueSizeBytes, isReadOnly: (flags & readOnlyProgram) !== 0 });
    }
  });
});

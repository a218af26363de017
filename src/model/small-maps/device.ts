import { bit, mac, uint } from "../struct-fields.js";
import { smallMap, source } from "./small-map.js";

/** `cilium_devices`, since 1.20 */
export const deviceMap = smallMap(
  [source("cilium_devices", { interfaceIndex: uint("value") }, { mac: mac("mac"), isL3: bit("l3") })],
  {
    name: "device",
    kind: "DeviceList",
    summary: "List the devices that the datapath works on",
    madeWhen: "it starts (since 1.20)",
    fields: {
      interfaceIndex: { header: "IFINDEX", type: "integer", doc: "of the device" },
      mac: { header: "MAC", type: "text", doc: "of the device" },
      l3: { header: "L3", type: "flag", doc: "packets have no Ethernet header there", value: (row) => row.isL3 },
    },
    order: (row) => [row.interfaceIndex],
    nameOf: (row) => String(row.interfaceIndex),
  },
);

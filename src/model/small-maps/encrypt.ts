import { uint } from "../struct-fields.js";
import { smallMap, source } from "./small-map.js";

/** `cilium_encrypt_state` */
export const encryptMap = smallMap(
  [source("cilium_encrypt_state", { slot: uint("value") }, { keyId: uint("encrypt_key") })],
  {
    name: "encrypt",
    kind: "EncryptStateList",
    summary: "List the IPsec key that the node encrypts with",
    madeWhen: "IPsec is on",
    fields: {
      keyId: {
        header: "KEY-ID",
        type: "integer",
        doc: "the key's SPI, 0 for none",
        text: ({ keyId }) => (keyId === 0 ? "none" : String(keyId)),
      },
    },
    order: (row) => [row.slot],
    nameOf: (row) => String(row.keyId),
  },
);

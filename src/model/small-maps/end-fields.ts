import type { IpAddress } from "../../lib/ip.js";
import type { RowField } from "./small-map.js";

interface EndWords {
  /** Column of the address and port, and what they are. */
  readonly header: string;
  readonly doc: string;
  /** Column of the name, and whose it is. */
  readonly nameHeader: string;
  readonly nameDoc: string;
  readonly isNameWide?: boolean;
}

type EndRow<Name extends string> = Readonly<Record<Name, IpAddress>> & Readonly<Record<`${Name}Port`, number>>;

/** One end of a connection: the fields `name`, `namePort` and `nameName`, of which the address shows the port too. */
export function endFields<Name extends string>(
  name: Name,
  { header, doc, nameHeader, nameDoc, isNameWide }: EndWords,
): Readonly<Record<string, RowField<EndRow<Name>>>> {
  const port = `${name}Port` as const;
  const portOf = (row: Readonly<Record<`${Name}Port`, number>>): number => row[port];
  const addressOf = (row: Readonly<Record<Name, IpAddress>>): IpAddress => row[name];
  const wide = isNameWide === undefined ? {} : { isWide: isNameWide };
  return {
    [name]: { header, type: "address", doc, port: portOf },
    [port]: { type: "port", doc },
    [`${name}Name`]: { header: nameHeader, type: "name", doc: nameDoc, ...wide, addressOf },
  };
}

/** Both ends of a packet. @param doc what their addresses are of */
export function packetEnds(doc: string): Readonly<Record<string, RowField<EndRow<"source"> & EndRow<"destination">>>> {
  return {
    ...endFields("source", { header: "SOURCE", doc, nameHeader: "FROM", nameDoc: "whose source it is" }),
    ...endFields("destination", { header: "DESTINATION", doc, nameHeader: "TO", nameDoc: "whose destination it is" }),
  };
}

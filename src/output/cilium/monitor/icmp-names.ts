/** Names of ICMP types and, for some, of their codes, as gopacket has them; code names in the order of the codes. */
type TypeNames = Readonly<Record<number, readonly [type: string, ...codes: string[]]>>;

const icmpv4: TypeNames = {
  0: ["EchoReply"],
  3: [
    "DestinationUnreachable",
    ..."Net Host Protocol Port FragmentationNeeded SourceRoutingFailed NetUnknown HostUnknown SourceIsolated".split(
      " ",
    ),
    ..."NetAdminProhibited HostAdminProhibited NetTOS HostTOS CommAdminProhibited HostPrecedence".split(" "),
    "PrecedenceCutoff",
  ],
  4: ["SourceQuench"],
  5: ["Redirect", "Net", "Host", "TOS+Net", "TOS+Host"],
  8: ["EchoRequest"],
  9: ["RouterAdvertisement"],
  10: ["RouterSolicitation"],
  11: ["TimeExceeded", "TTLExceeded", "FragmentReassemblyTimeExceeded"],
  12: ["ParameterProblem", "PointerIndicatesError", "MissingOption", "BadLength"],
  13: ["TimestampRequest"],
  14: ["TimestampReply"],
  15: ["InfoRequest"],
  16: ["InfoReply"],
  17: ["AddressMaskRequest"],
  18: ["AddressMaskReply"],
};

const icmpv6: TypeNames = {
  1: [
    "DestinationUnreachable",
    ..."NoRouteToDst AdminProhibited BeyondScopeOfSrc AddressUnreachable PortUnreachable".split(" "),
    "SrcAddressFailedPolicy",
    "RejectRouteToDst",
  ],
  2: ["PacketTooBig"],
  3: ["TimeExceeded", "HopLimitExceeded", "FragmentReassemblyTimeExceeded"],
  4: ["ParameterProblem", "ErroneousHeaderField", "UnrecognizedNextHeader", "UnrecognizedIPv6Option"],
  128: ["EchoRequest"],
  129: ["EchoReply"],
  133: ["RouterSolicitation"],
  134: ["RouterAdvertisement"],
  135: ["NeighborSolicitation"],
  136: ["NeighborAdvertisement"],
  137: ["Redirect"],
};

/** `EchoRequest`, `DestinationUnreachable(Port)`, `Redirect(Code: 9)`, `253(0)` */
export function icmpTypeCode({
  kind,
  type,
  code,
}: {
  readonly kind: "icmpv4" | "icmpv6";
  readonly type: number;
  readonly code: number;
}): string {
  const names = (kind === "icmpv4" ? icmpv4 : icmpv6)[type];
  if (names === undefined) return `${type}(${code})`;
  const [typeName, ...codeNames] = names;
  if (codeNames.length === 0 && code === 0) return typeName;
  return `${typeName}(${codeNames[code] ?? `Code: ${code}`})`;
}

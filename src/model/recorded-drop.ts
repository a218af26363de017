/** A drop as the agent remembers it and tells it at `GET /v1/drops`; addresses as text. */
export interface RecordedDrop {
  /** Unix time. */
  readonly timeMs: number;
  readonly reasonText: string;
  readonly direction: string;
  /** Place in the programs. */
  readonly file: string;
  readonly line: number;
  /** Absent where the packet was no IP packet. */
  readonly packet?: {
    readonly source: string;
    readonly destination: string;
    readonly protocol: number;
    readonly sourcePort: number;
    readonly destinationPort: number;
  };
}

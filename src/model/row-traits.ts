import type { IpAddress } from "../lib/ip.js";

/** What a row offers to be filtered by; a field that it lacks cannot refuse it. */
export interface RowTraits {
  readonly ends?: readonly { readonly address: IpAddress; readonly port?: number | undefined }[] | undefined;
  readonly protocol?: number | undefined;
  readonly identity?: number | undefined;
  /** Where there are two: one of them must be wanted. */
  readonly identities?: readonly number[] | undefined;
  readonly state?: string | undefined;
  readonly direction?: string | undefined;
}

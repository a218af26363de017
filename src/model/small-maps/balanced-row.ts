import type { IpAddress } from "../../lib/ip.js";
import type { RowTraits } from "../row-traits.js";
import type { L4Address } from "../rows.js";
import type { RowField, SmallMapRow } from "./small-map.js";

/** A row whose numbers of the load balancer were looked up in its maps; absent where they lack the number. */
export interface BalancedRow extends SmallMapRow {
  /** Of the service id. */
  readonly frontend?: { readonly address: IpAddress; readonly port: number } | undefined;
  /** Of the backend id. */
  readonly backend?: L4Address | undefined;
}

type Fields<Row> = Readonly<Record<string, RowField<Row>>>;

/** The service of a row that has its id. */
export const serviceFields: Fields<BalancedRow & { readonly revNatId: number }> = {
  revNatId: { header: "REVNAT", type: "integer", doc: "service id" },
  frontend: {
    header: "FRONTEND",
    type: "address",
    doc: "of the service",
    isOptional: true,
    value: (row) => row.frontend?.address,
    port: (row) => row.frontend?.port ?? 0,
  },
  frontendPort: { type: "port", doc: "of the service", isOptional: true, value: (row) => row.frontend?.port },
  service: { header: "SERVICE", type: "name", doc: "the Service", frontendOf: (row) => row.frontend },
};

/** The backend of a row that has its id. */
export const backendFields: Fields<BalancedRow & { readonly backendId: number }> = {
  backendId: { header: "BACKEND-ID", type: "integer", doc: "id in the backend map", isWide: true },
  backend: {
    header: "BACKEND",
    type: "address",
    doc: "where the packets go",
    isOptional: true,
    value: (row) => row.backend?.address,
    port: (row) => row.backend?.port ?? 0,
  },
  backendPort: { type: "port", doc: "where the packets go", isOptional: true, value: (row) => row.backend?.port },
  backendName: { header: "TO", type: "name", doc: "the backend's pod", addressOf: (row) => row.backend?.address },
};

/** What rows can be filtered by: their service and their backend. */
export function balancedTraits({ frontend, backend }: BalancedRow): RowTraits {
  return { ends: [frontend, backend].filter((end) => end !== undefined) };
}

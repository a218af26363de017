import type { IpFamily } from "../lib/ip.js";
import type {
  LoadBalancerBackend,
  LoadBalancerChange,
  LoadBalancerTables,
  ServiceIds,
  ServicesPort,
} from "../model/datapath-port.js";
import type { MaglevOptions } from "../model/maglev.js";
import type { MapSet } from "./map-set.js";
import { decodeSocketKey } from "./service-entries.js";
import { ServiceFamily } from "./service-family.js";
import { deleteKeys, readEntries, snapshotEntries } from "./table.js";

const AFFINITY_MATCHES = "cilium_lb_affinity_match";
const families = [4, 6] as const;

/** The load-balancing maps of both families. */
export class Services implements ServicesPort {
  readonly #maps: Pick<MapSet, "get">;
  readonly #families: Readonly<Record<IpFamily, ServiceFamily>>;

  constructor(maps: Pick<MapSet, "get">, maglev: MaglevOptions) {
    this.#maps = maps;
    const open = (family: IpFamily): ServiceFamily =>
      new ServiceFamily(
        family,
        {
          services: maps.get(`cilium_lb${family}_services_v2`),
          backends: maps.get(`cilium_lb${family}_backends_v3`),
          reverseNat: maps.get(`cilium_lb${family}_reverse_nat`),
          sourceRanges: maps.get(`cilium_lb${family}_source_range`),
          maglev: maps.get(`cilium_lb${family}_maglev`),
          affinityMatches: maps.get(AFFINITY_MATCHES),
        },
        maglev,
      );
    this.#families = { 4: open(4), 6: open(6) };
  }

  read(): ServiceIds {
    const both = families.map((family) => this.#families[family].read());
    return { frontends: both.flatMap((one) => one.frontends), backends: both.flatMap((one) => one.backends) };
  }

  write(desired: LoadBalancerTables): void {
    const matches = snapshotEntries(this.#maps.get(AFFINITY_MATCHES));
    for (const family of families) {
      const isOf = isOfFamily(family);
      const part = { frontends: desired.frontends.filter(isOf), backends: desired.backends.filter(isOf) };
      this.#families[family].write(part, matches);
    }
    deleteKeys(
      this.#maps.get(AFFINITY_MATCHES),
      [...matches.keys()].map((text) => Buffer.from(text, "latin1")),
    );
  }

  update(change: LoadBalancerChange): void {
    for (const family of families) {
      const isOf = isOfFamily(family);
      this.#families[family].update({
        upsertedFrontends: change.upsertedFrontends.filter(isOf),
        removedFrontends: change.removedFrontends.filter(isOf),
        upsertedBackends: change.upsertedBackends.filter(isOf),
        // A backend's number is of one family alone; to delete it in the other does nothing.
        removedBackends: change.removedBackends,
      });
    }
  }

  socketsOf(backend: Pick<LoadBalancerBackend, "address" | "port">): ReadonlySet<bigint> {
    const { address, port } = backend;
    const cookies = new Set<bigint>();
    for (const { key } of readEntries(this.#maps.get(`cilium_lb${address.family}_reverse_sk`))) {
      const socket = decodeSocketKey(key, address.family);
      if (socket.port === port && socket.address.equals(address)) cookies.add(socket.cookie);
    }
    return cookies;
  }
}

function isOfFamily(family: IpFamily): (one: { readonly address: { readonly family: IpFamily } }) => boolean {
  return ({ address }) => address.family === family;
}

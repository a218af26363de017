/**
 * The empty line that upstream prints after each map. Rows of several nodes may come interleaved; each map gets its one
 * line whatever the order.
 */
export class MapEnds {
  readonly #seen = new Set<string>();
  #map: string | undefined;
  #node: string | undefined;

  /** What stands before the entry: an empty line when it is the first one of another map. */
  before(map: string, node: string | undefined): string {
    if (map === this.#map && node === this.#node) return "";
    this.#map = map;
    this.#node = node;
    const name = `${map}@${node ?? ""}`;
    if (this.#seen.has(name)) return "";
    this.#seen.add(name);
    return this.#seen.size > 1 ? "\n" : "";
  }

  /** The lines that are still due: of the last map, and of maps without any entry. */
  last(mapsRead: number | undefined): string {
    const maps = Math.max(mapsRead ?? 0, this.#seen.size);
    return "\n".repeat(maps - Math.max(this.#seen.size - 1, 0));
  }
}

/** The other byte order of a 16-bit integer. */
export function swap16(value: number): number {
  return ((value & 0xff) << 8) | (value >> 8);
}

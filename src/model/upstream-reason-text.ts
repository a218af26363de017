/**
 * A reason as upstream prints it: the helper's error behind it where there is one, and always where the reason has no text.
 * @param text the reason's, its number where it has none
 */
export function upstreamReasonText(reason: number, text: string, extendedError: number): string {
  return extendedError !== 0 || text === String(reason) ? `${text}, ${extendedError}` : text;
}

/** A moment of the Unix epoch's clock, with nanoseconds and beyond the years that `Date` knows. */
export interface UnixTime {
  readonly seconds: number;
  readonly nanoseconds: number;
}

const secondsPerDay = 86_400;

/** As Go's `time.Time` prints itself in UTC: `2026-11-21 17:02:33.5 +0000 UTC`. */
export function goTimeText(time: UnixTime): string {
  return `${dateText(time)} ${clockText(time)} +0000 UTC`;
}

/** RFC 3339 with as many digits of the second as it has: `2026-11-21T17:02:33.5Z`. */
export function rfc3339Text(time: UnixTime): string {
  return `${dateText(time)}T${clockText(time)}Z`;
}

function clockText({ seconds, nanoseconds }: UnixTime): string {
  const second = seconds % secondsPerDay;
  const parts = [second / 3600, (second / 60) % 60, second % 60].map((part) => digits(Math.floor(part), 2));
  const fraction = digits(nanoseconds, 9).replace(/0+$/, "");
  return `${parts.join(":")}${fraction === "" ? "" : `.${fraction}`}`;
}

/** The Gregorian calendar in years that begin in March, which puts the leap day last; from the era of 400 years down. */
function dateText({ seconds }: UnixTime): string {
  const daysPerEra = 146_097;
  const days = Math.floor(seconds / secondsPerDay) + 719_468;
  const day = days % daysPerEra;
  const year = Math.floor((day - Math.floor(day / 1460) + Math.floor(day / 36_524) - Math.floor(day / 146_096)) / 365);
  const dayOfYear = day - (365 * year + Math.floor(year / 4) - Math.floor(year / 100));
  const month = Math.floor((5 * dayOfYear + 2) / 153);
  const dayOfMonth = dayOfYear - Math.floor((153 * month + 2) / 5) + 1;
  const isNextYear = month >= 10;
  const fullYear = year + 400 * Math.floor(days / daysPerEra) + (isNextYear ? 1 : 0);
  return [digits(fullYear, 4), digits(isNextYear ? month - 9 : month + 3, 2), digits(dayOfMonth, 2)].join("-");
}

function digits(value: number, count: number): string {
  return String(value).padStart(count, "0");
}

/** Numbers, money and times as people read them, in the language of their browser. */

import type { Money } from "holdfast-client";

/** Currencies whose minor unit is not a hundredth (ISO 4217). Browsers know other digits for some, those of everyday use. */
const DIGITS: [digits: number, currencies: string][] = [
  [0, "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"],
  [3, "BHD IQD JOD KWD LYD OMR TND"],
  [4, "CLF UYW"],
];

/** Digits after the point of a currency. */
export function digitsOf(currency: string): number {
  return DIGITS.find(([, currencies]) => currencies.split(" ").includes(currency))?.[0] ?? 2;
}

/** `1999 USD` in minor units as `$19.99`. */
export function money({ amount, currency }: Money, locale?: string): string {
  const digits = digitsOf(currency);
  const exactly = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  const formatted = new Intl.NumberFormat(locale, { style: "currency", currency, ...exactly });
  return formatted.format(amount / 10 ** digits);
}

/** Minor units as they are typed into a field: `19.99`. */
export function decimal(amount: number, currency: string): string {
  return (amount / 10 ** digitsOf(currency)).toFixed(digitsOf(currency));
}

/** Reads what was typed into a field, exactly; `undefined` where it is no amount of that currency. */
export function minorUnits(text: string, currency: string): number | undefined {
  const digits = digitsOf(currency);
  const parts = /^(\d{1,13})(?:[.,](\d*))?$/.exec(text.trim());
  if (parts === null) return undefined;
  const [, whole = "", fraction = ""] = parts;
  if (fraction.length > digits) return undefined;
  return Number(whole + fraction.padEnd(digits, "0"));
}

export function count(value: number): string {
  return new Intl.NumberFormat().format(value);
}

/** So many of something: "1 order", "1,234 orders". */
export function plural(number: number, what: string): string {
  return `${count(number)} ${what}${number === 1 ? "" : "s"}`;
}

/** A day and a time of day. */
export function moment(time: string): string {
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }).format(new Date(time));
}

const STEPS: [limit: number, seconds: number, unit: Intl.RelativeTimeFormatUnit][] = [
  [60, 1, "second"],
  [3600, 60, "minute"],
  [86_400, 3600, "hour"],
  [86_400 * 30, 86_400, "day"],
];

/** How long ago, for times of the last month; else the day. */
export function ago(time: string, now = Date.now()): string {
  const seconds = (now - Date.parse(time)) / 1000;
  for (const [limit, size, unit] of STEPS) {
    if (Math.abs(seconds) < limit) {
      return new Intl.RelativeTimeFormat(undefined, { numeric: "auto" }).format(-Math.trunc(seconds / size), unit);
    }
  }
  return new Intl.DateTimeFormat(undefined, { dateStyle: "medium" }).format(new Date(time));
}

/** `version-conflict` as `Version conflict`. */
export function title(word: string): string {
  const spaced = word.replaceAll(/[-_]/g, " ");
  return spaced.charAt(0).toUpperCase() + spaced.slice(1);
}

/** Time that is left, such as 4:59. */
export function clock(milliseconds: number): string {
  const seconds = Math.ceil(milliseconds / 1000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/** A picture of the shop's own is there in small too. */
export function small(url: string): string {
  return url.replace(/^\/media\/(?=[^/]+$)/, "/media/thumbnails/");
}

const SPANS: [seconds: number, unit: string][] = [
  [86_400, "d"],
  [3600, "h"],
  [60, "min"],
  [1, "s"],
];

/** How long something lasts, in its two largest units: `3 d 4 h`. */
export function lasting(seconds: number): string {
  const first = SPANS.findIndex(([size]) => seconds >= size);
  if (first < 0) return "0 s";
  let left = Math.floor(seconds);
  const parts: string[] = [];
  for (const [size, unit] of SPANS.slice(first, first + 2)) {
    const units = Math.floor(left / size);
    left -= units * size;
    if (units > 0) parts.push(`${units} ${unit}`);
  }
  return parts.join(" ");
}

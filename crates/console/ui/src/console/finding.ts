/** What was typed into the search of orders, as the API takes it. */

export interface Found {
  number?: string;
  email?: string;
  id?: string;
}

export const ID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const NUMBER = /^([0-9A-TV-Z]{4}-?){2}[0-9A-TV-Z]{4}$/i;

/** `undefined` where it is none of what orders are found by: at least not yet. */
export function read(typed: string): Found | undefined {
  const text = typed.trim();
  if (text === "") return {};
  if (ID.test(text)) return { id: text };
  if (NUMBER.test(text)) return { number: text };
  return /^\S+@\S+$/.test(text) ? { email: text } : undefined;
}

/** The first and the last moment of days as the browser's clock has them: the first is shown, the last is not any more. */
export function daysBetween(from: string, to: string): { from?: string; to?: string } {
  const found: { from?: string; to?: string } = {};
  const [first, last] = [midnight(from, 0), midnight(to, 1)];
  if (first !== undefined) found.from = first;
  if (last !== undefined) found.to = last;
  return found;
}

/** The same, as orders are asked for. */
export function between(from: string, to: string): { createdAfter?: string; createdBefore?: string } {
  const days = daysBetween(from, to);
  return { ...(days.from && { createdAfter: days.from }), ...(days.to && { createdBefore: days.to }) };
}

function midnight(day: string, later: number): string | undefined {
  const [year, month, date] = day.split("-").map(Number);
  if (year === undefined || month === undefined || date === undefined) return undefined;
  const moment = new Date(year, month - 1, date + later);
  return Number.isNaN(moment.getTime()) ? undefined : moment.toISOString();
}

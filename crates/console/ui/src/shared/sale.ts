/** When a product is on sale. The shop decides by its own clock; this only says what to expect. */

import type { ProductView } from "holdfast-client";

export type Sale = { state: "open" } | { state: "before"; opensAt: string } | { state: "over"; closedAt: string };

export function saleOf({ saleWindow }: Pick<ProductView, "saleWindow">, now = Date.now()): Sale {
  const { opensAt, closesAt } = saleWindow ?? {};
  if (closesAt != null && Date.parse(closesAt) <= now) return { state: "over", closedAt: closesAt };
  if (opensAt != null && Date.parse(opensAt) > now) return { state: "before", opensAt };
  return { state: "open" };
}

/** A moment as a field takes it, by the clock on the wall of whoever types; empty for none. */
export function typed(moment: string | null | undefined): string {
  if (moment == null) return "";
  const at = new Date(moment);
  const local = new Date(at.getTime() - at.getTimezoneOffset() * 60_000).toISOString().slice(0, -1);
  return local.replace(/(:00)?\.000$/, "");
}

/** Reads what was typed; `undefined` where it is no moment, `null` where nothing was. */
export function momentOf(text: string): string | null | undefined {
  if (text.trim() === "") return null;
  const at = new Date(text);
  return Number.isNaN(at.getTime()) ? undefined : at.toISOString();
}

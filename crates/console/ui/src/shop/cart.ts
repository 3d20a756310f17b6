/** What a cart holds, pure: the page's own notes about what somebody wants. Prices and stock are always asked of the shop. */

import type { Currency, Money, ProductView } from "holdfast-client";

export interface Line {
  productId: string;
  quantity: number;
}

/** Lines that one order may have. */
const MOST_LINES = 200;

export function parse(text: string | null): Line[] {
  try {
    const lines: unknown = JSON.parse(text ?? "[]");
    if (!Array.isArray(lines)) return [];
    return lines.filter((line): line is Line => typeof line?.productId === "string" && Number.isInteger(line?.quantity) && line.quantity > 0);
  } catch {
    return [];
  }
}

/** The cart with so many units of a product; none takes it out. */
export function set(lines: Line[], productId: string, quantity: number): Line[] {
  if (quantity <= 0) return lines.filter((line) => line.productId !== productId);
  const isThere = lines.some((line) => line.productId === productId);
  if (isThere) return lines.map((line) => (line.productId === productId ? { ...line, quantity } : line));
  return lines.length < MOST_LINES ? [...lines, { productId, quantity }] : lines;
}

export function quantityOf(lines: Line[], productId: string): number {
  return lines.find((line) => line.productId === productId)?.quantity ?? 0;
}

/** What it costs now; `undefined` where something is not for sale any more, or where currencies are mixed. */
export function total(lines: Line[], products: Map<string, ProductView>): Money | undefined {
  let amount = 0;
  let currency: Currency | undefined;
  for (const { productId, quantity } of lines) {
    const product = products.get(productId);
    if (product === undefined || product.status !== "active") return undefined;
    currency ??= product.price.currency;
    if (product.price.currency !== currency) return undefined;
    amount += product.price.amount * quantity;
  }
  return currency === undefined ? undefined : { amount, currency };
}

/** What the state of a payment means for whoever looks at it. */

import type { Money, OrderView, PaymentStatus, PaymentView, RefundView } from "holdfast-client";

import { plural } from "./format";

/** All states, in the order in which a payment goes through them. */
export const STATES: PaymentStatus[] = ["pending", "requires_action", "processing", "authorized", "captured", "failed", "cancelled"];

/** Whether it is the buyer's turn, or their bank's. */
export function isAwaited({ status }: Pick<PaymentView, "status">): boolean {
  return status === "pending" || status === "requires_action" || status === "processing";
}

/** Whether it may still be called off. */
export function isOpen(payment: Pick<PaymentView, "status">): boolean {
  return isAwaited(payment) || payment.status === "authorized";
}

/** What was taken, less what was given back and what is on its way back. */
export function refundable({ captured, refunded, refundPending }: Pick<PaymentView, "captured" | "refunded" | "refundPending">): Money {
  return { ...captured, amount: captured.amount - refunded.amount - refundPending.amount };
}

/** What an order has of a product, and how many units of it were not refunded yet. */
export type Line = OrderView["items"][number] & { left: number };

/** The lines of an order with the units that may still be refunded. */
export function refundableLines(items: OrderView["items"], refunds: Pick<RefundView, "status" | "items">[]): Line[] {
  const refunded = refunds.filter(({ status }) => status !== "failed").flatMap((refund) => refund.items ?? []);
  const units = (product: string) => refunded.filter(({ productId }) => productId === product).reduce((sum, { quantity }) => sum + quantity, 0);
  return items.map((item) => ({ ...item, left: item.quantity - units(item.productId) }));
}

/** For how many units a refund is, in words; empty where that was not said. */
export function unitsOf({ items = [] }: Pick<RefundView, "items">): string {
  const sum = (of: typeof items) => of.reduce((sum, { quantity }) => sum + quantity, 0);
  const [all, back] = [sum(items), sum(items.filter(({ restock }) => restock))];
  if (all === 0) return "";
  return back === 0 ? plural(all, "unit") : `${plural(all, "unit")}, ${back === all ? "back in the stock" : `${back} of them back in the stock`}`;
}

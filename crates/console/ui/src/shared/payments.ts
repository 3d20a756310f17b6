/** What the state of a payment means for whoever looks at it. */

import type { Money, PaymentStatus, PaymentView } from "holdfast-client";

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

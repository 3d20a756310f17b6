/** Payments as a buyer makes and sees them. */

import { createPayment, getPaymentProvider, idempotencyKey, ProblemError, type PaymentView } from "holdfast-client";
import { isSettled } from "../shared/ask";
import { money } from "../shared/format";
import { signed } from "./session.svelte";

let known: Promise<boolean> | undefined;

/** Whether this shop takes payments. */
export function takesPayments(): Promise<boolean> {
  known ??= askWhetherItTakesPayments();
  known.catch(() => (known = undefined));
  return known;
}

async function askWhetherItTakesPayments(): Promise<boolean> {
  const { data, error, response } = await getPaymentProvider({ client: signed.client });
  if (data === undefined) throw new ProblemError(error, response?.status ?? 0);
  return data.provider !== undefined;
}

/**
 * Begins a payment for an order, or goes on with the one that is open; returns its id. The key is kept until the shop has answered: if the
 * answer is lost, even by a reload, the same key brings the same payment, never a second one.
 */
export async function begin(orderId: string): Promise<string> {
  const kept = `holdfast-shop-payment-${orderId}`;
  const key = sessionStorage.getItem(kept) ?? idempotencyKey();
  sessionStorage.setItem(kept, key);
  const { data, error, response } = await createPayment({ client: signed.client, body: { orderId }, headers: { "Idempotency-Key": key } });
  const refusal = new ProblemError(error, response?.status ?? 0);
  if (data !== undefined || isSettled(refusal)) sessionStorage.removeItem(kept);
  if (data !== undefined) return data.id;
  if (error?.code === "payment-open" && error.paymentId) return error.paymentId;
  if (error?.code === "payments-disabled") known = Promise.resolve(false);
  throw refusal;
}

interface Said {
  text: string;
  kind: "" | "good" | "bad";
}

/** Where a payment stands, in the buyer's words. */
export function said(payment: Pick<PaymentView, "status" | "amount" | "failure">): Said {
  const why = payment.failure ?? "the payment did not go through";
  switch (payment.status) {
    case "pending":
      return payment.failure == null ? { text: "Nothing is paid yet.", kind: "" } : { text: `Declined: ${why}. Nothing was taken, and you may try again.`, kind: "bad" };
    case "requires_action":
      return { text: "Your bank wants to hear from you first. Nothing is paid yet.", kind: "" };
    case "processing":
      return { text: "The payment is on its way. This may take a while.", kind: "" };
    case "authorized":
      return { text: `${money(payment.amount)} is set aside, and is taken when the order leaves.`, kind: "good" };
    case "captured":
      return { text: `Paid: ${money(payment.amount)}.`, kind: "good" };
    case "failed":
      return { text: `Declined: ${why}. Nothing was taken.`, kind: "bad" };
    case "cancelled":
      return { text: "The payment was called off. Nothing was taken.", kind: "" };
  }
}

/** What came back of it, in the buyer's words. */
export function saidOfRefunds({ refunded, refundPending }: Pick<PaymentView, "refunded" | "refundPending">): string[] {
  const back = refunded.amount > 0 ? [`${money(refunded)} went back to you.`] : [];
  return refundPending.amount > 0 ? [...back, `${money(refundPending)} is on its way back to you.`] : back;
}

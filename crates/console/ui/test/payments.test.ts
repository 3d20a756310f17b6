import { describe, expect, it } from "vitest";
import { isAwaited, isOpen, refundable, refundableLines, STATES, unitsOf } from "../src/shared/payments";

const usd = (amount: number) => ({ amount, currency: "USD" as const });

describe("a payment", () => {
  it("is open until it has come to something", () => {
    const those = (is: typeof isOpen) => STATES.filter((status) => is({ status }));
    expect(those(isOpen)).toEqual(["pending", "requires_action", "processing", "authorized"]);
    expect(those(isAwaited)).toEqual(["pending", "requires_action", "processing"]);
  });

  it("gives back no more than was taken", () => {
    expect(refundable({ captured: usd(1999), refunded: usd(500), refundPending: usd(1000) })).toEqual(usd(499));
    expect(refundable({ captured: usd(0), refunded: usd(0), refundPending: usd(0) })).toEqual(usd(0));
  });

  it("gives back no unit twice, unless the money stayed", () => {
    const line = { productId: "a", name: "Tea", quantity: 5, stockSequence: 1, unitPrice: usd(100), total: usd(500) };
    const items = (quantity: number, restock = false, productId = "a") => [{ productId, quantity, restock }];
    const refunds = [
      { status: "succeeded" as const, items: items(2) },
      { status: "pending" as const, items: items(1, true) },
      { status: "failed" as const, items: items(2) },
      { status: "succeeded" as const, items: items(1, false, "b") },
      { status: "succeeded" as const },
    ];
    expect(refundableLines([line], refunds)).toEqual([{ ...line, left: 2 }]);
  });

  it("says for how many units a refund is", () => {
    const item = (quantity: number, restock: boolean) => ({ productId: "a", quantity, restock });
    expect([[], [item(1, false)], [item(2, true)], [item(1, true), item(1, false)]].map((items) => unitsOf({ items }))).toEqual([
      "",
      "1 unit",
      "2 units, back in the stock",
      "2 units, 1 of them back in the stock",
    ]);
  });
});

import { describe, expect, it } from "vitest";
import { isAwaited, isOpen, refundable, STATES } from "../src/shared/payments";

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
});

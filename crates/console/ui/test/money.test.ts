import { expect, test } from "vitest";
import { flowOf, flowsByDay, mainCurrencyOf } from "../src/console/money";

const flow = (count: number, ...sums: [amount: number, currency: "EUR" | "USD"][]) => ({ count, sums: sums.map(([amount, currency]) => ({ amount, currency })) });
const NOTHING = flow(0);

test("hours come to days, and each currency to a sum", () => {
  const at = (hours: number) => new Date(new Date(2026, 10, 30).getTime() + hours * 3_600_000).toISOString();
  const items = [
    { start: at(-1), captured: flow(1, [500, "EUR"]), refunded: NOTHING },
    { start: at(0), captured: flow(2, [700, "EUR"], [900, "USD"]), refunded: NOTHING },
    { start: at(5), captured: flow(1, [300, "EUR"]), refunded: flow(1, [50, "EUR"]) },
  ];
  const days = flowsByDay(items);
  expect(days.map(({ flows }) => flows.captured.count)).toEqual([1, 3]);
  expect(days[1]?.flows).toEqual({ captured: flow(3, [1000, "EUR"], [900, "USD"]), refunded: flow(1, [50, "EUR"]) });
  expect(mainCurrencyOf(flowOf(items))).toBe("EUR");
  expect(mainCurrencyOf({ captured: NOTHING, refunded: NOTHING })).toBeUndefined();
});

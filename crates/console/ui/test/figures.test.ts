import type { OrderFigures, OrderStatisticsInterval } from "holdfast-client";
import { expect, test } from "vitest";
import { byDay, byHour, dayOf, figureOf, mainCurrency, reasons, sumOf } from "../src/console/figures";

const eur = (amount: number) => [{ amount, currency: "EUR" as const }];
const figures = (orders: number, amount: number, off = 0): OrderFigures => ({
  orders,
  units: orders * 2,
  revenue: eur(amount),
  cancelled: { orders: off, units: off * 2, revenue: off === 0 ? [] : eur(off * 100) },
  refusals: { "insufficient-stock": 2, "price-changed": 5 },
});

test("what was called off does not count", () => {
  const figure = figureOf(figures(3, 300, 1));
  expect([figure.orders, figure.units, figure.revenue.get("EUR"), figure.refused]).toEqual([2, 4, 200, 7]);
  expect(mainCurrency(figure)).toBe("EUR");
  expect(mainCurrency(sumOf([]))).toBeUndefined();
});

test("hours are days of the calendar here", () => {
  const midnight = new Date(2026, 10, 29).getTime();
  const at = (hours: number, count: number): OrderStatisticsInterval => ({
    start: new Date(midnight + hours * 3_600_000).toISOString(),
    ...figures(count, count * 100),
  });
  const days = byDay([at(-1, 1), at(0, 2), at(23, 3)]);
  expect(days.map(({ start, orders }) => [start, orders])).toEqual([
    [dayOf(midnight - 1), 1],
    [midnight, 5],
  ]);
  expect(byHour([at(0, 2)])[0]?.start).toBe(midnight);
});

test("the most frequent reason comes first", () => {
  expect(reasons(figures(0, 0)).map(([code]) => code)).toEqual(["price-changed", "insufficient-stock"]);
});

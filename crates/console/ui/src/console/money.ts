/** Money as a merchant reads it: by days of their own calendar. */

import type { Currency, PaymentFigures, PaymentFlow, PaymentStatisticsInterval, Sum } from "holdfast-client";
import { dayOf } from "./figures";

export type Flows = PaymentFigures;

function add(flows: PaymentFlow[]): PaymentFlow {
  const sums = new Map<Currency, number>();
  for (const { amount, currency } of flows.flatMap(({ sums }) => sums)) sums.set(currency, (sums.get(currency) ?? 0) + amount);
  return {
    count: flows.reduce((sum, { count }) => sum + count, 0),
    sums: [...sums].map(([currency, amount]): Sum => ({ amount, currency })),
  };
}

/** What some intervals come to. */
export function flowOf(items: Flows[]): Flows {
  return { captured: add(items.map(({ captured }) => captured)), refunded: add(items.map(({ refunded }) => refunded)) };
}

/** An hour counts to the day in which it begins. */
export function flowsByDay(items: PaymentStatisticsInterval[]): { start: number; flows: Flows }[] {
  const days = new Map<number, Flows[]>();
  for (const item of items) {
    const day = dayOf(Date.parse(item.start));
    days.set(day, [...(days.get(day) ?? []), item]);
  }
  return [...days].map(([start, hours]) => ({ start, flows: flowOf(hours) }));
}

/** The currency in which most is taken. */
export function mainCurrencyOf({ captured, refunded }: Flows): Currency | undefined {
  const sums = captured.sums.length > 0 ? captured.sums : refunded.sums;
  return [...sums].sort((one, other) => other.amount - one.amount)[0]?.currency;
}

/** Figures as a merchant reads them: by days of their own calendar, in one currency, without what was called off. */

import type { Currency, OrderFigures, OrderSales, OrderStatisticsInterval } from "holdfast-client";

/** What stands of what was placed. */
export interface Figure {
  orders: number;
  units: number;
  revenue: Map<Currency, number>;
  refused: number;
}

/** The figure of a day, or of an hour. */
export interface Point extends Figure {
  /** When it begins, in milliseconds since 1970. */
  start: number;
}

const NOTHING: Figure = { orders: 0, units: 0, revenue: new Map(), refused: 0 };

function add(revenue: Map<Currency, number>, sales: OrderSales, sign: 1 | -1): void {
  for (const { amount, currency } of sales.revenue) revenue.set(currency, (revenue.get(currency) ?? 0) + sign * amount);
}

/** What was placed and not called off since. */
export function figureOf(figures: OrderFigures): Figure {
  const revenue = new Map<Currency, number>();
  add(revenue, figures, 1);
  add(revenue, figures.cancelled, -1);
  return {
    orders: figures.orders - figures.cancelled.orders,
    units: figures.units - figures.cancelled.units,
    revenue,
    refused: Object.values(figures.refusals).reduce((sum, count) => sum + count, 0),
  };
}

export function sumOf(figures: Iterable<Figure>): Figure {
  const revenue = new Map<Currency, number>();
  let { orders, units, refused } = NOTHING;
  for (const figure of figures) {
    orders += figure.orders;
    units += figure.units;
    refused += figure.refused;
    for (const [currency, amount] of figure.revenue) revenue.set(currency, (revenue.get(currency) ?? 0) + amount);
  }
  return { orders, units, revenue, refused };
}

/** When the day began in which a moment lies, here. */
export function dayOf(moment: number): number {
  return new Date(moment).setHours(0, 0, 0, 0);
}

export function byHour(items: OrderStatisticsInterval[]): Point[] {
  return items.map((item) => ({ start: Date.parse(item.start), ...figureOf(item) }));
}

/** An hour counts to the day in which it begins. */
export function byDay(items: OrderStatisticsInterval[]): Point[] {
  const days = new Map<number, Point[]>();
  for (const hour of byHour(items)) {
    const day = dayOf(hour.start);
    days.set(day, [...(days.get(day) ?? []), hour]);
  }
  return [...days].map(([start, hours]) => ({ start, ...sumOf(hours) }));
}

/** Why orders were refused, the most frequent first. */
export function reasons({ refusals }: OrderFigures): [code: string, count: number][] {
  return Object.entries(refusals).sort(([, one], [, other]) => other - one);
}

/** The currency in which most is sold. */
export function mainCurrency({ revenue }: Figure): Currency | undefined {
  return [...revenue].sort(([, one], [, other]) => other - one)[0]?.[0];
}

/** A product as it stands in a form: text as it is typed, checked when it is sent. */

import type { Currency, Image, ProductView } from "holdfast-client";
import { decimal, minorUnits } from "../shared/format";
import { momentOf, typed } from "../shared/sale";

export interface Draft {
  name: string;
  sku: string;
  category: string;
  description: string;
  price: string;
  currency: Currency;
  quantity: string;
  /** One address a line; what it shows after a space. */
  images: string;
  /** When it may be ordered, by the clock on the wall. */
  opensAt: string;
  closesAt: string;
  /** Units for one customer; empty: as many as there are. */
  limit: string;
}

export const EMPTY: Draft = {
  name: "",
  sku: "",
  category: "",
  description: "",
  price: "",
  currency: "USD",
  quantity: "0",
  images: "",
  opensAt: "",
  closesAt: "",
  limit: "",
};

/** What a form can change of a product, as the shop has it. */
export interface Details {
  name: string;
  sku?: string | null;
  category?: string | null;
  description?: string | null;
  price: { amount: number; currency: Currency };
  images: Image[];
  saleWindow: { opensAt: string | null; closesAt: string | null };
  limitPerCustomer: number | null;
}

/** In the order in which they are shown. */
export const FIELDS: (keyof Details)[] = ["name", "sku", "category", "price", "description", "images", "saleWindow", "limitPerCustomer"];

export function draftOf(product: ProductView): Draft {
  return {
    name: product.name,
    sku: product.sku ?? "",
    category: product.category ?? "",
    description: product.description ?? "",
    price: decimal(product.price.amount, product.price.currency),
    currency: product.price.currency,
    quantity: String(product.quantity),
    images: product.images.map(({ url, alt }) => (alt ? `${url} ${alt}` : url)).join("\n"),
    opensAt: typed(product.saleWindow?.opensAt),
    closesAt: typed(product.saleWindow?.closesAt),
    limit: String(product.limitPerCustomer ?? ""),
  };
}

export function detailsOf(product: ProductView): Details {
  const { name, sku = null, category = null, description = null, price, images, limitPerCustomer = null } = product;
  const { opensAt = null, closesAt = null } = product.saleWindow ?? {};
  const saleWindow = { opensAt, closesAt };
  return { name, sku, category, description, price, images, saleWindow, limitPerCustomer };
}

function images(text: string): Image[] {
  const lines = text.split("\n").map((line) => line.trim());
  return lines.filter(Boolean).map((line) => {
    const [url = "", ...alt] = line.split(/\s+/);
    return alt.length > 0 ? { url, alt: alt.join(" ") } : { url };
  });
}

/** What the shop would be sent, or what is wrong, by JSON pointer. */
export function read(draft: Draft, base?: ProductView): Details | Map<string, string> {
  const amount = minorUnits(draft.price, draft.currency);
  const wrong = new Map<string, string>();
  if (draft.name.trim() === "") wrong.set("#/name", "expected a name");
  if (amount === undefined) wrong.set("#/price/amount", `expected an amount such as ${decimal(1999, draft.currency)}`);
  // What nobody has typed anew is as it was: an hour that comes twice in autumn too.
  const moment = (text: string, before?: string | null) => (text === typed(before) ? (before ?? null) : momentOf(text));
  const [opensAt, closesAt] = [moment(draft.opensAt, base?.saleWindow?.opensAt), moment(draft.closesAt, base?.saleWindow?.closesAt)];
  if (opensAt === undefined) wrong.set("#/saleWindow/opensAt", "expected a day and a time");
  if (closesAt === undefined) wrong.set("#/saleWindow/closesAt", "expected a day and a time");
  const limit = draft.limit.trim() === "" ? null : units(draft.limit);
  if (limit === undefined) wrong.set("#/limitPerCustomer", "expected a number of units");
  if (wrong.size > 0 || limit === undefined || amount === undefined || opensAt === undefined || closesAt === undefined) return wrong;
  const given = (text: string) => (text.trim() === "" ? null : text.trim());
  return {
    name: draft.name.trim(),
    sku: given(draft.sku),
    category: given(draft.category),
    description: given(draft.description),
    price: { amount, currency: draft.currency },
    images: images(draft.images),
    saleWindow: { opensAt, closesAt },
    limitPerCustomer: limit,
  };
}

/** Units on hand; `undefined` where it is no number of units. */
export function units(text: string): number | undefined {
  return /^\d{1,10}$/.test(text.trim()) ? Number(text.trim()) : undefined;
}

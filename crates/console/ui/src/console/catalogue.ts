/** A file of products, as `holdfast import` takes it, in batches that a request can carry. */

import { writeProducts, type ProductBody, type Shop } from "holdfast-client";
import Papa from "papaparse";
import { ask } from "../shared/ask";

const REQUIRED = ["sku", "name", "price", "currency", "quantity"];
const OPTIONAL = ["description", "category", "images", "opensAt", "closesAt", "limitPerCustomer"];
/** Products of one request, and about how many characters of it: the shop takes a MiB. */
const BATCH = 100;
const BATCH_LENGTH = 300_000;

export interface Refused {
  id: string;
  row: number;
  sku: string;
  why: string;
}

export interface Progress {
  rows: number;
  done: number;
  created: number;
  updated: number;
  refused: Refused[];
}

type Columns = Record<string, string | undefined>;

/** The rows of a file. Throws where it is not one of products. */
export function parse(text: string): Columns[] {
  const { data, meta, errors } = Papa.parse<Columns>(text, { header: true, skipEmptyLines: "greedy", transformHeader: (name) => name.trim() });
  const names = meta.fields ?? [];
  const missing = REQUIRED.find((name) => !names.includes(name));
  const known = [...REQUIRED, ...OPTIONAL];
  if (missing !== undefined) throw new Error(`There is no column "${missing}"; expected ${known.join(", ")}`);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Error(`The column "${unknown}" is not known; expected ${known.join(", ")}`);
  const broken = errors.find((error) => error.type === "Quotes" || error.type === "FieldMismatch");
  if (broken !== undefined) throw new Error(`Row ${broken.row ?? 1}: ${broken.message}`);
  return data;
}

/** A row as the shop at `base` takes it, or what is wrong with it. `price` is in minor units. */
export function product(columns: Columns, base: string): ProductBody | string {
  const { sku, name, price, currency, quantity, description, category, images, opensAt, closesAt, limitPerCustomer } = columns;
  const whole = (text: string | undefined) => /^\d{1,13}$/.test(text ?? "");
  if (!whole(price)) return `price: expected minor units, such as 1999, not "${price ?? ""}"`;
  if (!whole(quantity)) return `quantity: expected a number of units, not "${quantity ?? ""}"`;
  if (limitPerCustomer && !whole(limitPerCustomer)) return `limitPerCustomer: expected a number of units, not "${limitPerCustomer}"`;
  const addresses = (images ?? "").split(/\s+/).filter(Boolean);
  return {
    sku: sku || null,
    name: name ?? "",
    description: description || null,
    category: category || null,
    images: addresses.map((url) => ({ url: url.startsWith("/") ? base + url : url })),
    price: { amount: Number(price), currency: currency as ProductBody["price"]["currency"] },
    quantity: Number(quantity),
    // Without columns about it, it stays as it is.
    ...(opensAt === undefined && closesAt === undefined ? {} : { saleWindow: { opensAt: opensAt || null, closesAt: closesAt || null } }),
    ...(limitPerCustomer === undefined ? {} : { limitPerCustomer: limitPerCustomer === "" ? null : Number(limitPerCustomer) }),
  };
}

function explain(problem: Record<string, unknown> | null | undefined): string {
  const { detail, errors } = (problem ?? {}) as { detail?: string; errors?: { pointer: string; detail: string }[] };
  const members = (errors ?? []).map(({ pointer, detail: shape }) => `${pointer.replace(/^#\/(items\/\d+\/)?/, "")}: ${shape}`);
  return members.length > 0 ? members.join("; ") : (detail ?? "refused");
}

/** Sends all rows, and tells after each batch how far it got. What is there already is refused, unless `overwrite`. */
export async function send(
  client: Shop["client"],
  rows: Columns[],
  { base, overwrite, signal }: { base: string; overwrite: boolean; signal: AbortSignal },
  tell: (progress: Progress) => void,
): Promise<void> {
  const progress: Progress = { rows: rows.length, done: 0, created: 0, updated: 0, refused: [] };
  const refuse = (row: number, why: string) =>
    progress.refused.push({ id: String(row), row: row + 1, sku: rows[row]?.["sku"] ?? "", why });
  for (let next = 0; next < rows.length && !signal.aborted; ) {
    const items: { row: number; body: ProductBody }[] = [];
    for (let length = 0; next < rows.length && items.length < BATCH && length < BATCH_LENGTH; next++) {
      const body = product(rows[next] ?? {}, base);
      length += JSON.stringify(body).length;
      if (typeof body === "string") refuse(next, body);
      // What is overwritten is for sale again, if it was not.
      else items.push({ row: next, body: overwrite ? { ...body, status: "active" } : body });
    }
    if (items.length > 0) {
      const body = { mode: "partial" as const, overwrite, items: items.map((item) => item.body) };
      const { results } = await ask(writeProducts({ client, body }));
      for (const { index, status, problem } of results) {
        if (status === 201) progress.created++;
        else if (status === 200) progress.updated++;
        else refuse(items[index]?.row ?? 0, explain(problem));
      }
    }
    progress.done = next;
    tell({ ...progress, refused: progress.refused.toSorted((a, b) => a.row - b.row) });
  }
}

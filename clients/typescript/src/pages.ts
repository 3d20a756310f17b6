/** Lists come in pages; these walk over them, one request at a time. */

import { ProblemError } from "./problems.js";

interface Page<T> {
  items: T[];
  nextCursor?: string | null;
}

interface Answer<P> {
  data?: P | undefined;
  error?: unknown;
  response?: Response | undefined;
}

/** A list operation, asked for the page after a cursor. */
export type PageRequest<P> = (cursor: string | undefined) => Promise<Answer<P>>;

/**
 * The pages of a list, from the first to the last. A page may be empty and still not be the last.
 * Throws {@link ProblemError}.
 *
 *     for await (const page of pages((cursor) => listProducts({ client: shop.client, query: { cursor } }))) …
 */
export async function* pages<T, P extends Page<T>>(list: PageRequest<P>): AsyncGenerator<P, void, undefined> {
  let cursor: string | undefined;
  do {
    const { data, error, response } = await list(cursor);
    if (data === undefined) throw new ProblemError(error, response?.status ?? 0);
    yield data;
    cursor = data.nextCursor ?? undefined;
  } while (cursor !== undefined);
}

/** The items of all pages, one after the other. Throws {@link ProblemError}. */
export async function* items<T>(list: PageRequest<Page<T>>): AsyncGenerator<T, void, undefined> {
  for await (const page of pages<T, Page<T>>(list)) yield* page.items;
}

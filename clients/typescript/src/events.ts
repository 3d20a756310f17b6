/** What happens in a shop, as it happens. */

import { followEvents } from "./generated/sdk.gen.js";
import type { ShopEvent } from "./generated/types.gen.js";
import { ProblemError } from "./problems.js";
import type { Shop } from "./shop.js";

export interface FollowOptions {
  /** Only events of these types; `order.*` stands for all that begin so. */
  types?: string[];
  /** Only what happens to this order, product or user. */
  subject?: string;
  /** The position of the last event that was heard; without it, those that come from now on. */
  after?: number;
  /** Ends it. */
  signal?: AbortSignal;
  /** Told each time that the shop listens to us: from then on nothing is missed. */
  onOpen?: () => void;
  /** Told when events have gone that were not heard: what they were about is to be read anew. It goes on with `oldest`. */
  onReset?: (oldest: number) => void;
}

/** The pause before the first attempt to come back, in milliseconds; each further one is twice as long, up to the last. */
const FIRST_PAUSE = 200;
const LONGEST_PAUSE = 10_000;

/**
 * Follows the events of a shop until `signal` ends it, and goes on where it was after each break. For administrators.
 * Keep `position` of what is done with: it is the `after` of the next time. Throws {@link ProblemError} when it may not listen.
 *
 *     for await (const event of follow(shop, { types: ["order.placed"] })) …
 */
export async function* follow(shop: Shop, options: FollowOptions = {}): AsyncGenerator<ShopEvent, void, undefined> {
  const { types, subject, signal, onOpen, onReset } = options;
  const send = shop.client.getConfig().fetch ?? fetch;
  let heard = options.after;
  let failures = 0;
  while (!signal?.aborted) {
    const over = new AbortController();
    const end = () => over.abort();
    signal?.addEventListener("abort", end, { once: true });
    let refusal: ProblemError | undefined;
    let name: string | undefined;
    const { stream } = await followEvents({
      client: shop.client,
      query: { types: types?.join(","), subject, after: heard },
      signal: over.signal,
      sseMaxRetryAttempts: 1,
      fetch: async (...sent) => {
        const answer = await send(...sent);
        if (answer.status >= 400 && answer.status < 500) {
          refusal = new ProblemError(await answer.clone().json().catch(() => undefined), answer.status);
        }
        if (answer.ok) onOpen?.();
        return answer;
      },
      onSseEvent: ({ event, id }) => {
        name = event;
        failures = 0;
        if (id !== undefined) heard = Number(id);
      },
    });
    try {
      for await (const said of stream as AsyncIterable<unknown>) {
        if (name === "reset") onReset?.((said as { oldest: number }).oldest);
        // What is no JSON was cut off: it comes again.
        else if (typeof said === "object") yield said as ShopEvent;
      }
    } finally {
      // Whoever leaves a loop lets the shop know.
      end();
      signal?.removeEventListener("abort", end);
    }
    if (refusal !== undefined && refusal.status !== 429) throw refusal;
    await pause(Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** failures++), signal);
  }
}

/** Waits, but no longer than until `signal`. */
async function pause(time: number, signal: AbortSignal | undefined): Promise<void> {
  if (signal?.aborted) return;
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, time);
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    signal?.addEventListener("abort", end, { once: true });
    setTimeout(() => signal?.removeEventListener("abort", end), time);
  });
}

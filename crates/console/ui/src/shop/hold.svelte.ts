/** What the shop keeps for somebody while they type where to send it: it outlives a reload. */

import { createHold, idempotencyKey, type HoldView } from "holdfast-client";
import { ask } from "../shared/ask";
import type { Line } from "./cart";
import { signed } from "./session.svelte";

const KEY = "holdfast-shop-hold";

type Kept = Pick<HoldView, "id" | "expiresAt">;

class Hold {
  kept: Kept | undefined = $state.raw(JSON.parse(sessionStorage.getItem(KEY) ?? "null") ?? undefined);

  /** Milliseconds until it is over; 0 where nothing is kept. */
  left(now: number): number {
    return this.kept === undefined ? 0 : Math.max(0, Date.parse(this.kept.expiresAt) - now);
  }

  async keep(lines: Line[]): Promise<void> {
    await signed.beSomebody();
    const headers = { "Idempotency-Key": idempotencyKey() };
    const { id, expiresAt } = await ask(createHold({ client: signed.client, body: { items: lines }, headers }));
    this.#set({ id, expiresAt });
  }

  forget(): void {
    this.#set(undefined);
  }

  #set(kept: Kept | undefined): void {
    this.kept = kept;
    if (kept === undefined) sessionStorage.removeItem(KEY);
    else sessionStorage.setItem(KEY, JSON.stringify(kept));
  }
}

export const hold = new Hold();

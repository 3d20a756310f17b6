/** What the shop keeps for somebody while they type where to send it: it outlives a reload. */

import { createHold, idempotencyKey, releaseHold } from "holdfast-client";
import { ask, isSettled, tell } from "../shared/ask";
import type { Line } from "./cart";
import { signed } from "./session.svelte";

const KEY = "holdfast-shop-hold";

interface Kept {
  id: string;
  /** Whose it is. */
  userId: string;
  lines: Line[];
  /** By the clock of this browser, as far as that goes. */
  until: number;
}

class Hold {
  kept: Kept | undefined = $state.raw(JSON.parse(sessionStorage.getItem(KEY) ?? "null") ?? undefined);
  /** An attempt that nobody has answered: the same one again brings the same hold. */
  #unanswered: { key: string; lines: string } | undefined;

  /** Milliseconds until it is over; 0 where nothing is kept. */
  left(now: number): number {
    return this.kept === undefined ? 0 : Math.max(0, this.kept.until - now);
  }

  /** Whether it is for just these. */
  isOf(lines: Line[]): boolean {
    return JSON.stringify(this.kept?.lines) === JSON.stringify(lines);
  }

  /** Keeps these, and nothing else. */
  async keep(lines: Line[]): Promise<void> {
    await signed.beSomebody();
    await this.letGo();
    const text = JSON.stringify(lines);
    if (this.#unanswered?.lines !== text) this.#unanswered = { key: idempotencyKey(), lines: text };
    try {
      const headers = { "Idempotency-Key": this.#unanswered.key };
      const { id, userId, createdAt, expiresAt } = await ask(createHold({ client: signed.client, body: { items: lines }, headers }));
      this.#unanswered = undefined;
      this.#set({ id, userId, lines, until: Date.now() + Date.parse(expiresAt) - Date.parse(createdAt) });
    } catch (error) {
      if (isSettled(error)) this.#unanswered = undefined;
      throw error;
    }
  }

  /** Lets others have them; where that cannot be said, they do when the time is over. */
  async letGo(): Promise<void> {
    const { kept } = this;
    this.forget();
    if (kept !== undefined) await tell(releaseHold({ client: signed.client, path: { id: kept.id } })).catch(() => undefined);
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

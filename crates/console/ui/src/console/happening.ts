/** What happens in the shop wakes what shows it. A tab follows events only while somebody looks at it: browsers have few connections to spare. */

import { follow, type Shop } from "holdfast-client";
import type { News } from "../shared/live";
import { signed } from "./session.svelte";

/** Until somebody tries to follow again who was refused, in milliseconds. */
const RETRY = 30_000;

class Happening implements News {
  isOpen = false;
  readonly #listeners = new Set<() => void>();
  readonly #shop: () => Shop | undefined;
  #over: AbortController | undefined;

  /** `shop` is nothing where whoever is signed in may not follow. */
  constructor(shop: () => Shop | undefined) {
    this.#shop = shop;
    document.addEventListener("visibilitychange", () => this.#turn());
  }

  on(listener: () => void): () => void {
    this.#listeners.add(listener);
    this.#turn();
    return () => {
      this.#listeners.delete(listener);
      this.#turn();
    };
  }

  #turn(): void {
    const isWanted = this.#listeners.size > 0 && !document.hidden;
    if (isWanted && this.#over === undefined) void this.#follow();
    if (!isWanted) this.#end();
  }

  #end(): void {
    this.#over?.abort();
    this.#over = undefined;
    this.isOpen = false;
  }

  async #follow(): Promise<void> {
    const shop = this.#shop();
    if (shop === undefined) return;
    const over = new AbortController();
    this.#over = over;
    const tell = () => this.#listeners.forEach((listener) => listener());
    const onOpen = () => {
      this.isOpen = true;
      // Something may have happened before the shop listened.
      tell();
    };
    try {
      for await (const _ of follow(shop, { signal: over.signal, onOpen, onReset: tell })) tell();
    } catch {
      // Looks every few seconds go on.
    }
    if (this.#over !== over) return;
    this.#end();
    setTimeout(() => this.#turn(), RETRY);
  }
}

export const happening = new Happening(() => (signed.may("events:read") ? signed.shop : undefined));

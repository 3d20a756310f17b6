/** A list that grows by pages: what is here, whether more is there, and what went wrong. */

import { ask, reason } from "./ask";

interface Page<T> {
  items: T[];
  nextCursor?: string | null;
}

interface Answer<T> {
  data?: Page<T> | undefined;
  error?: unknown;
  response?: Response | undefined;
}

/** A first page, and of what was there before what comes after it. */
export function joined<T extends { id: string }>(first: T[], before: T[]): T[] {
  const last = before.findIndex((item) => item.id === first.at(-1)?.id);
  const known = new Set(first.map((item) => item.id));
  const later = last < 0 ? [] : before.slice(last + 1).filter((item) => !known.has(item.id));
  return [...first, ...later];
}

/** Pages that may be empty and still not be the last are read on to, so many at most. */
const EMPTY_PAGES = 25;

export class List<T extends { id: string }> {
  items: T[] = $state.raw([]);
  state: "loading" | "ready" | "failed" = $state("loading");
  why = $state("");
  hasMore = $state(false);
  #cursor: string | undefined;
  #round = 0;
  readonly #load: (cursor: string | undefined) => Promise<Answer<T>>;

  constructor(load: (cursor: string | undefined) => Promise<Answer<T>>) {
    this.#load = load;
  }

  /** Begins anew. What is shown stays until the answer is here. */
  async restart(): Promise<void> {
    this.#cursor = undefined;
    this.#round++;
    await this.#next(false);
  }

  async more(): Promise<void> {
    await this.#next(true);
  }

  /** Shows what the first page is by now; later pages stay as they are. What cannot be had now is left for the next time. */
  async renew(): Promise<void> {
    if (this.state !== "ready") return;
    const round = this.#round;
    const page = await ask(this.#load(undefined));
    if (round !== this.#round || this.state !== "ready") return;
    this.items = joined(page.items, this.items);
    if (this.items.length === page.items.length) {
      this.#cursor = page.nextCursor ?? undefined;
      this.hasMore = this.#cursor !== undefined;
    }
  }

  /** Forgets all of it. */
  clear(): void {
    this.#round++;
    this.items = [];
    this.hasMore = false;
  }

  /** Puts what was changed in its place. */
  put(changed: T, isSame: (item: T) => boolean): void {
    this.items = this.items.map((item) => (isSame(item) ? changed : item));
  }

  async #next(goesOn: boolean): Promise<void> {
    const round = this.#round;
    this.state = "loading";
    try {
      let page: Page<T> = { items: [], nextCursor: null };
      for (let pages = 0; pages < EMPTY_PAGES; pages++) {
        page = await ask(this.#load(this.#cursor));
        if (round !== this.#round) return;
        this.#cursor = page.nextCursor ?? undefined;
        if (page.items.length > 0 || this.#cursor === undefined) break;
      }
      // What was changed while the page was on its way stays changed, and what moved to a later page is shown once.
      const before = goesOn ? this.items : [];
      const known = new Set(before.map((item) => item.id));
      this.items = [...before, ...page.items.filter((item) => !known.has(item.id))];
      this.hasMore = this.#cursor !== undefined;
      this.state = "ready";
    } catch (error) {
      if (round !== this.#round) return;
      this.why = reason(error);
      this.state = "failed";
    }
  }
}

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

/** What is listed: versions tell which of two is newer. */
interface Listed {
  id: string;
  version?: number;
}

/** What was asked for some time ago, but for what is known to be newer by now; what is the same stays the same object. */
export function newer<T extends Listed>(asked: T[], before: T[]): T[] {
  const known = new Map(before.map((item) => [item.id, item]));
  return asked.map((item) => {
    const old = known.get(item.id);
    const stays = old !== undefined && ((old.version ?? 0) > (item.version ?? 0) || JSON.stringify(old) === JSON.stringify(item));
    return stays ? old : item;
  });
}

/** A first page, and of what was there before what comes after it. */
export function joined<T extends Listed>(first: T[], before: T[]): T[] {
  const last = before.findIndex((item) => item.id === first.at(-1)?.id);
  const known = new Set(first.map((item) => item.id));
  const later = last < 0 ? [] : before.slice(last + 1).filter((item) => !known.has(item.id));
  return [...first, ...later];
}

/** Pages that may be empty and still not be the last are read on to, so many at most. */
const EMPTY_PAGES = 25;

export class List<T extends Listed> {
  items: T[] = $state.raw([]);
  state: "loading" | "ready" | "failed" = $state("loading");
  why = $state("");
  hasMore = $state(false);
  #cursor: string | undefined;
  #round = 0;
  /** Whether somebody has asked for more than the first page. */
  #isLong = false;
  readonly #load: (cursor: string | undefined) => Promise<Answer<T>>;

  constructor(load: (cursor: string | undefined) => Promise<Answer<T>>) {
    this.#load = load;
  }

  /** Begins anew. What is shown stays until the answer is here. */
  async restart(): Promise<void> {
    this.#cursor = undefined;
    this.#isLong = false;
    this.#round++;
    await this.#next(false);
  }

  async more(): Promise<void> {
    this.#isLong = true;
    await this.#next(true);
  }

  /** Shows what the first page is by now; later pages that somebody asked for stay as they are. A list that failed begins anew. */
  async renew(): Promise<void> {
    if (this.state === "failed") return this.restart();
    if (this.state !== "ready") return;
    const round = this.#round;
    const page = await this.#page(undefined, round);
    if (page === undefined || this.state !== "ready") return;
    const first = newer(page.items, this.items);
    this.items = this.#isLong ? joined(first, this.items) : first;
    if (this.items.length > first.length) return;
    this.#isLong = false;
    this.#cursor = page.nextCursor ?? undefined;
    this.hasMore = this.#cursor !== undefined;
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

  /** The next page with something on it; nothing where somebody began anew meanwhile. */
  async #page(cursor: string | undefined, round: number): Promise<Page<T> | undefined> {
    let page: Page<T> = { items: [], nextCursor: cursor ?? null };
    for (let pages = 0; pages < EMPTY_PAGES; pages++) {
      page = await ask(this.#load(page.nextCursor ?? undefined));
      if (round !== this.#round) return undefined;
      if (page.items.length > 0 || (page.nextCursor ?? null) === null) break;
    }
    return page;
  }

  async #next(goesOn: boolean): Promise<void> {
    const round = this.#round;
    this.state = "loading";
    try {
      const page = await this.#page(this.#cursor, round);
      if (page === undefined) return;
      this.#cursor = page.nextCursor ?? undefined;
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

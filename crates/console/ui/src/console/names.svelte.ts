/** Names by id, each asked for once. */

import { SvelteMap } from "svelte/reactivity";

export class Names {
  readonly #known = new SvelteMap<string, string>();
  readonly #ask: (id: string) => Promise<string | null | undefined>;

  constructor(ask: (id: string) => Promise<string | null | undefined>) {
    this.#ask = ask;
  }

  /** Asks for a name that is not known yet. What is gone has none. */
  learn(id: string): void {
    if (this.#known.has(id)) return;
    // An id stands for itself until, and unless, it has a name.
    this.#known.set(id, id);
    void this.#ask(id).then(
      (name) => name != null && this.#known.set(id, name),
      () => undefined,
    );
  }

  of(id: string): string {
    return this.#known.get(id) ?? id;
  }
}

/** Figures of the last days, looked at again and again. */

import { reason } from "../shared/ask";
import { live } from "../shared/live";
import { dayOf } from "./figures";
import { happening } from "./happening";

export const HOUR = 3_600_000;
export const DAYS = 30;
const EVERY = 10_000;

export class Report<T> {
  /** What was found last. */
  found: T | undefined = $state.raw();
  /** When. */
  now = $state(Date.now());
  why = $state("");
  readonly #load: (from: string) => Promise<T>;
  readonly #shown: (found: T) => unknown;

  /** Of `shown`, what is the same is not drawn again. Made where effects are: it looks as long as its part is on the screen. */
  constructor(load: (from: string) => Promise<T>, shown: (found: T) => unknown) {
    [this.#load, this.#shown] = [load, shown];
    const look = () => this.#look();
    $effect(() => {
      void look();
      return live(look, EVERY, happening);
    });
  }

  /** The beginning of a day. Noon is on its day wherever clocks are set forward or back in between. */
  daysAgo(days: number, time = this.now): number {
    return dayOf(dayOf(time) + 12 * HOUR - days * 24 * HOUR);
  }

  async #look(): Promise<void> {
    try {
      const time = Date.now();
      const found = await this.#load(new Date(this.daysAgo(DAYS - 1, time)).toISOString());
      const text = (of: T | undefined) => of && JSON.stringify(this.#shown(of));
      if (text(found) !== text(this.found) || dayOf(time) !== dayOf(this.now)) [this.found, this.now] = [found, time];
      this.why = "";
    } catch (error) {
      this.why = reason(error);
    }
  }
}

/** What a form sends, and what came of it. */

import { faults, reason } from "./ask";

export class Sending {
  /** What is wrong, by JSON pointer. */
  wrong: Map<string, string> = $state.raw(new Map());
  /** What went wrong that is no field's fault. */
  why = $state("");
  isBusy = $state(false);

  /** Sends it; what is refused stands beside its fields then. */
  async run(send: () => Promise<void>): Promise<void> {
    this.isBusy = true;
    try {
      await send();
    } catch (error) {
      this.wrong = faults(error);
      this.why = this.wrong.size === 0 ? reason(error) : "";
    } finally {
      this.isBusy = false;
    }
  }

  /** What is wrong with a list or with one of its items. */
  faultIn(pointer: string): string | undefined {
    return [...this.wrong].find(([place]) => place.startsWith(pointer))?.[1];
  }
}

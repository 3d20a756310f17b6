/** The cart of this browser: it outlives a closed tab, and other tabs see it. */

import { parse, quantityOf, set, type Line } from "./cart";

const KEY = "holdfast-shop-cart";

class Cart {
  lines: Line[] = $state.raw(parse(localStorage.getItem(KEY)));

  constructor() {
    addEventListener("storage", (event) => {
      if (event.key === KEY) this.lines = parse(event.newValue);
    });
  }

  get units(): number {
    return this.lines.reduce((sum, line) => sum + line.quantity, 0);
  }

  add(productId: string, quantity = 1): void {
    this.put(productId, quantityOf(this.lines, productId) + quantity);
  }

  put(productId: string, quantity: number): void {
    this.#keep(set(this.lines, productId, quantity));
  }

  clear(): void {
    this.#keep([]);
  }

  #keep(lines: Line[]): void {
    this.lines = lines;
    localStorage.setItem(KEY, JSON.stringify(lines));
  }
}

export const cart = new Cart();

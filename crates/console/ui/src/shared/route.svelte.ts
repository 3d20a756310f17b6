/** Where we are, and the way elsewhere. */

import { link, parse, type Place } from "./place";

class Route {
  place: Place = $state.raw(parse(location.hash));

  constructor() {
    addEventListener("hashchange", () => (this.place = parse(location.hash)));
  }

  go(path: string[], query: Record<string, string | undefined> = {}): void {
    location.hash = link(path, query);
  }

  /** Changes the query of where we are, without a step that "back" would undo. */
  refine(query: Record<string, string | undefined>): void {
    const merged = { ...Object.fromEntries(this.place.query), ...query };
    history.replaceState(null, "", link(this.place.path, merged));
    this.place = parse(location.hash);
  }
}

export const route = new Route();

/** Two people changed the same thing: what each did, and what of both is kept (a three-way merge). */

/** Whose value of a field is kept. */
export type Choice = "yours" | "theirs";

export interface Difference<T> {
  field: keyof T & string;
  /** As it was when you began. */
  before: unknown;
  yours: unknown;
  theirs: unknown;
  /** Both changed it, and not to the same. */
  isConflict: boolean;
}

function same(a: unknown, b: unknown): boolean {
  return JSON.stringify(a ?? null) === JSON.stringify(b ?? null);
}

/** The fields that either changed, of those named. */
export function differences<T extends object>(fields: (keyof T & string)[], before: T, yours: T, theirs: T): Difference<T>[] {
  const found: Difference<T>[] = [];
  for (const field of fields) {
    const [was, mine, other] = [before[field], yours[field], theirs[field]];
    const isMine = !same(was, mine);
    const isTheirs = !same(was, other);
    if (isMine || isTheirs) {
      found.push({ field, before: was, yours: mine, theirs: other, isConflict: isMine && isTheirs && !same(mine, other) });
    }
  }
  return found;
}

/** What each field would become where nobody chooses: whoever changed it alone has it; of a conflict, you. */
export function usual<T>(difference: Difference<T>): Choice {
  return same(difference.before, difference.yours) ? "theirs" : "yours";
}

/** What is left to change in theirs, so that it becomes what was chosen (RFC 7396: `null` clears). */
export function patch<T extends object>(found: Difference<T>[], choices: Partial<Record<string, Choice>>): Partial<T> {
  const changed: Partial<T> = {};
  for (const difference of found) {
    const choice = choices[difference.field] ?? usual(difference);
    if (choice === "yours" && !same(difference.yours, difference.theirs)) changed[difference.field] = (difference.yours ?? null) as T[keyof T & string];
  }
  return changed;
}

/** What to change in `before`, so that it becomes `after` (RFC 7396). */
export function changes<T extends object>(fields: (keyof T & string)[], before: T, after: T): Partial<T> {
  const changed: Partial<T> = {};
  for (const field of fields) {
    if (!same(before[field], after[field])) changed[field] = (after[field] ?? null) as T[keyof T & string];
  }
  return changed;
}

import { expect, test } from "vitest";
import { changes, differences, patch, usual } from "../src/console/merge";

interface Tea {
  name: string;
  price: { amount: number };
  note?: string | null;
}

const FIELDS: (keyof Tea)[] = ["name", "price", "note"];
const before: Tea = { name: "Sencha", price: { amount: 100 }, note: null };

test("what only one changed is theirs who changed it", () => {
  const yours = { ...before, price: { amount: 120 } };
  const theirs = { ...before, name: "Sencha, first harvest" };
  const found = differences(FIELDS, before, yours, theirs);
  expect(found.map(({ field, isConflict }) => [field, isConflict])).toEqual([["name", false], ["price", false]]);
  expect(found.map(usual)).toEqual(["theirs", "yours"]);
  expect(patch(found, {})).toEqual({ price: { amount: 120 } });
});

test("of what both changed, one is chosen", () => {
  const found = differences(FIELDS, before, { ...before, price: { amount: 120 } }, { ...before, price: { amount: 90 } });
  expect(found.map(({ isConflict }) => isConflict)).toEqual([true]);
  expect(patch(found, {})).toEqual({ price: { amount: 120 } });
  expect(patch(found, { price: "theirs" })).toEqual({});
});

test("the same change of both is no conflict, and nothing to send", () => {
  const both = { ...before, note: "new" };
  const found = differences(FIELDS, before, both, { ...both });
  expect(found.map(({ isConflict }) => isConflict)).toEqual([false]);
  expect(patch(found, {})).toEqual({});
});

test("your old value can be kept against their new one, and what is absent is cleared", () => {
  const theirs = { ...before, name: "Other", note: "new" };
  const found = differences(FIELDS, before, before, theirs);
  expect(patch(found, { name: "yours", note: "yours" })).toEqual({ name: "Sencha", note: null });
});

test("only what was changed is sent", () => {
  expect(changes(FIELDS, before, { ...before, note: "new" })).toEqual({ note: "new" });
  expect(changes<Tea>(FIELDS, { ...before, note: "old" }, { name: "Sencha", price: { amount: 100 } })).toEqual({ note: null });
});

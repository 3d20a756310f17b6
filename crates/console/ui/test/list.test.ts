import { expect, test } from "vitest";
import { joined, newer } from "../src/shared/list.svelte";

const list = (ids: string) => [...ids].map((id) => ({ id }));
const ids = (items: { id: string }[]) => items.map(({ id }) => id).join("");

test("a first page that is looked at again keeps what comes after it", () => {
  expect(ids(joined(list("dcb"), list("cba9")))).toBe("dcba9");
  expect(ids(joined(list("db"), list("cba9"))), "what is not like that any more goes").toBe("dba9");
  expect(ids(joined(list("fed"), list("cba"))), "all of it is new: the rest is a page away").toBe("fed");
  expect(ids(joined(list("acb"), list("cba9"))), "what moved up is shown once").toBe("acb9");
  expect(ids(joined([], list("a")))).toBe("");
});

test("what was changed meanwhile is not undone by what was asked before", () => {
  const [old, changed, same] = [{ id: "a", version: 1 }, { id: "a", version: 2 }, { id: "b", version: 1, available: 3 }];
  const sold = { ...same, available: 2 };
  expect(newer([old, { ...same }], [changed, same])).toEqual([changed, same]);
  expect(newer([{ ...same }], [same])[0]).toBe(same);
  expect(newer([sold], [same])[0]).toBe(sold);
});

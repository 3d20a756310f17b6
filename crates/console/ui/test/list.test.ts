import { expect, test } from "vitest";
import { joined } from "../src/shared/list.svelte";

const list = (ids: string) => [...ids].map((id) => ({ id }));
const ids = (items: { id: string }[]) => items.map(({ id }) => id).join("");

test("a first page that is looked at again keeps what comes after it", () => {
  expect(ids(joined(list("dcb"), list("cba9")))).toBe("dcba9");
  expect(ids(joined(list("db"), list("cba9"))), "what is not like that any more goes").toBe("dba9");
  expect(ids(joined(list("fed"), list("cba"))), "all of it is new: the rest is a page away").toBe("fed");
  expect(ids(joined(list("acb"), list("cba9"))), "what moved up is shown once").toBe("acb9");
  expect(ids(joined([], list("a")))).toBe("");
});

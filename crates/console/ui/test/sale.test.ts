import { describe, expect, it } from "vitest";
import { momentOf, saleOf, typed } from "../src/shared/sale";

const [opensAt, closesAt] = ["2026-12-01T09:00:00.000Z", "2026-12-01T10:00:00.000Z"];
const at = (text: string) => Date.parse(text);

describe("a sale window", () => {
  it("is open from its first moment until before its last", () => {
    const state = (now: number) => saleOf({ saleWindow: { opensAt, closesAt } }, now).state;
    expect([at(opensAt) - 1, at(opensAt), at(closesAt) - 1, at(closesAt)].map(state)).toEqual(["before", "open", "open", "over"]);
    expect(saleOf({}, 0)).toEqual({ state: "open" });
    expect(saleOf({ saleWindow: { opensAt } }, 0)).toEqual({ state: "before", opensAt });
  });

  it("is typed by the clock on the wall, and comes back as it was", () => {
    for (const moment of [opensAt, "2026-07-01T23:59:59.000Z", "2026-12-31T23:59:59.999Z"]) expect(momentOf(typed(moment))).toBe(moment);
    expect([typed(undefined), momentOf(""), momentOf("tomorrow")]).toEqual(["", null, undefined]);
    expect(typed(opensAt)).toMatch(/^2026-1[12]-\d\dT\d\d:\d\d$/);
  });
});

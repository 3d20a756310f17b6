import { expect, test } from "vitest";
import { link, parse } from "../src/shared/place";

test("a place is where its link leads", () => {
  const place = parse(link(["orders", "a/b ä"], { status: "paid", q: "x&y=#?", none: undefined, empty: "" }));
  expect(place.path).toEqual(["orders", "a/b ä"]);
  expect([...place.query]).toEqual([["status", "paid"], ["q", "x&y=#?"]]);
});

test("addresses that somebody bent lead somewhere", () => {
  expect(parse("").path).toEqual([]);
  expect(parse("#/%E0%A4%A/x").path).toEqual(["%E0%A4%A", "x"]);
});

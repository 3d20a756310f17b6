import { expect, test } from "vitest";
import { nextCursor } from "../src/console/download";

test("the next page is where the header says", () => {
  expect(nextCursor('</api/orders/csv?limit=2&cursor=a%2Bb>; rel="next"')).toBe("a+b");
  for (const none of [null, undefined, "", '</x?cursor=1>; rel="prev"', '</x>; rel="next"']) expect(nextCursor(none)).toBeUndefined();
});

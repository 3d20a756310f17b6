import { expect, test } from "vitest";
import { ago, clock, decimal, lasting, minorUnits, money, small, title } from "../src/shared/format";

test("money has the digits of its currency", () => {
  expect(money({ amount: 1999, currency: "USD" }, "en-US")).toBe("$19.99");
  expect(money({ amount: 1999, currency: "JPY" }, "en-US")).toBe("¥1,999");
  expect(money({ amount: 1999, currency: "HUF" }, "en-US")).toMatch(/19\.99$/);
  expect(minorUnits("19.99", "HUF")).toBe(1999);
  expect(money({ amount: 1999, currency: "KWD" }, "en-US")).toMatch(/^KWD\s1\.999$/);
});

test("what is typed is read exactly, or not at all", () => {
  expect(minorUnits("19.99", "USD")).toBe(1999);
  expect(minorUnits(" 19,9 ", "EUR")).toBe(1990);
  expect(minorUnits("0.29", "USD")).toBe(29);
  expect(minorUnits("1234567890123.45", "USD")).toBe(123456789012345);
  for (const wrong of ["", "-1", "1.999", "1e3", "1.2.3", "$1"]) expect(minorUnits(wrong, "USD"), wrong).toBeUndefined();
  expect(minorUnits("5.0", "JPY")).toBeUndefined();
  expect(minorUnits(decimal(1005, "USD"), "USD")).toBe(1005);
});

test("times of today are told as how long ago", () => {
  const now = Date.parse("2026-01-02T12:00:00Z");
  expect(ago("2026-01-02T11:58:30Z", now)).toBe("1 minute ago");
  expect(ago("2026-01-01T11:00:00Z", now)).toBe("yesterday");
  expect(ago("2025-06-01T11:00:00Z", now)).toContain("2025");
});

test("how long something lasts is told in two units", () => {
  const cases = { 0: "0 s", 59: "59 s", 61: "1 min 1 s", 3600: "1 h", 90_061: "1 d 1 h" };
  for (const [seconds, text] of Object.entries(cases)) expect(lasting(Number(seconds))).toBe(text);
});

test("words of the API become words of people", () => expect(title("version-conflict")).toBe("Version conflict"));

test("only the shop's own pictures are there in small", () => {
  expect(small("/media/ab.png")).toBe("/media/thumbnails/ab.png");
  for (const other of ["https://example.com/media/ab.png", "/media/thumbnails/ab.png", "/assets/pot.svg"]) expect(small(other)).toBe(other);
});

test("time that is left is never shown as less than it is", () => {
  expect([300_000, 299_001, 60_000, 59_999, 1, 0].map(clock)).toEqual(["5:00", "5:00", "1:00", "1:00", "0:01", "0:00"]);
});

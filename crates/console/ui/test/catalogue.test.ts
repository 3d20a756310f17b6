import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { parse, product } from "../src/console/catalogue";

test("the tea shop is a catalogue with pictures", () => {
  const rows = parse(readFileSync(new URL("../../../../examples/teashop.csv", import.meta.url), "utf8"));
  expect(rows).toHaveLength(10);
  expect(product(rows[0] ?? {}, "http://shop")).toMatchObject({
    sku: "TEA-1",
    price: { amount: 1450, currency: "USD" },
    quantity: 40,
    images: [{ url: "http://shop/assets/tea-1.svg" }],
  });
});

test("files that are none are refused with what they lack", () => {
  expect(() => parse("a,b\n1,2\n")).toThrow('no column "sku"');
  expect(() => parse("sku,name,price,currency,quantity,colour\n")).toThrow('"colour" is not known');
  expect(() => parse('sku,name,price,currency,quantity\n1,"open,1,USD,1\n')).toThrow("Row 1");
});

test("rows that are none say which column is wrong", () => {
  expect(product({ sku: "A", name: "A", price: "1.50", currency: "USD", quantity: "1" }, "")).toContain("price");
  expect(product({ sku: "A", name: "A", price: "150", currency: "USD", quantity: "" }, "")).toContain("quantity");
});

/** A customer's visit: looks around, makes an account, orders, and meets a price and a stock that change meanwhile. */

import { createProduct, getProduct, updateProduct, adjustStock, listOrders, Shop, type ProductView } from "holdfast-client";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ask } from "../src/shared/ask";
import { browser, inspect, page as open, picture, PASSWORD, URL_OF_SHOP } from "./browser";

let chrome: Browser;
let page: Page;
let complaints: string[];
const admin = new Shop({ baseUrl: URL_OF_SHOP });
let kettle: ProductView;
let whisk: ProductView;

const usd = (amount: number) => ({ amount, currency: "USD" as const });

beforeAll(async () => {
  await admin.signIn("admin", PASSWORD);
  const images = [{ url: `${URL_OF_SHOP}/assets/pot-2.svg`, alt: "A kettle" }];
  const make = (name: string, price: number, quantity: number) =>
    ask(createProduct({ client: admin.client, body: { name, category: "Kettles and whisks", price: usd(price), quantity, images } }));
  kettle = await make("Copper kettle", 9900, 4);
  whisk = await make("Bamboo whisk", 1500, 50);
  chrome = await browser();
  ({ page, complaints } = await open(chrome));
  await page.goto(`${URL_OF_SHOP}/shop`);
});
afterAll(() => chrome.close());
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await picture(page, "shop-failed");
  expect(complaints).toEqual([]);
});

const button = (name: string | RegExp) => page.getByRole("button", { name, exact: true });

test("a category and a search lead to a product", async () => {
  await page.getByRole("link", { name: /Copper kettle/ }).waitFor();
  await inspect(page, "shop-all");
  await page.getByRole("link", { name: "Kettles and whisks" }).click();
  await page.getByRole("link", { name: /Copper kettle/ }).waitFor();
  await inspect(page, "shop");
  await page.getByRole("searchbox").fill("bamb");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: /Bamboo whisk/ }).click();
  await page.getByRole("heading", { name: "Bamboo whisk" }).waitFor();
  await button("Add to the cart").click();
  // With a slip.
  await page.getByRole("searchbox").fill("copepr");
  await page.keyboard.press("Enter");
  await page.getByRole("link", { name: /Copper kettle/ }).click();
  await page.getByText("Only 4 left").waitFor();
  await button("Add to the cart").click();
  await inspect(page, "shop-product");
});

test("the cart outlives a reload, and counts", async () => {
  await page.getByRole("link", { name: "Cart (2)" }).click();
  await page.reload();
  await page.getByLabel("Units of Copper kettle").fill("3");
  await page.keyboard.press("Tab");
  await page.getByText("$312.00", { exact: true }).waitFor();
  await page.getByRole("link", { name: "Cart (4)" }).waitFor();
});

test("an account is made on the way", async () => {
  await page.getByRole("link", { name: "sign in or make an account" }).click();
  await button("I am new here").click();
  await page.getByLabel("Username").fill("grace");
  await page.getByLabel("Password").fill("password");
  await button("Make it").click();
  await page.getByText("commonest").waitFor();
  await inspect(page, "shop-account");
  await page.getByLabel("Password").fill("a compiler's phrase");
  await button("Make it").click();
  await page.getByText("Where to?").waitFor();
});

async function fillIn(): Promise<void> {
  const lines = { "E-mail": "grace@example.org", Name: "Grace Hopper", "Street and number": "1 Navy Yard", "Postal code": "20374", City: "Washington" };
  for (const [label, text] of Object.entries(lines)) await page.getByLabel(label, { exact: true }).fill(text);
  await page.getByLabel("Country").fill("US");
}

test("a price that changed is shown before anything is ordered", async () => {
  await fillIn();
  const { version } = await ask(getProduct({ client: admin.client, path: { id: whisk.id } }));
  await ask(updateProduct({ client: admin.client, path: { id: whisk.id }, body: { version, price: usd(1800) } }));
  await button("Order for $312.00").click();
  await page.getByText("it is $315.00 now").waitFor();
});

test("less stock is shown, and what is left can be taken", async () => {
  await ask(adjustStock({ client: admin.client, path: { id: kettle.id }, body: { delta: -3, reason: "sold over the counter" } }));
  await button("Order for $315.00").click();
  await page.getByText("Copper kettle (1 left)").waitFor();
  await inspect(page, "shop-cart");
  await button("Take what is left").click();
  await button("Order for $117.00").click();
  await page.getByText("Thank you").waitFor();
  await inspect(page, "shop-order");
  // This shop has no payment provider.
  expect(await page.getByRole("region", { name: "Payment" }).count()).toBe(0);
  await page.getByRole("link", { name: "Cart (0)" }).waitFor();
  const { items } = await ask(listOrders({ client: admin.client, query: { limit: 5 } }));
  expect(items.filter((order) => order.email === "grace@example.org").map((order) => order.total)).toEqual([usd(11_700)]);
});

test("what is gone is sold out, and orders can be looked at again", async () => {
  await page.getByRole("link", { name: "All your orders" }).click();
  await page.getByText("$117.00").waitFor();
  await page.goto(`${URL_OF_SHOP}/shop#/product/${kettle.id}`);
  await page.getByText("Sold out").waitFor();
});

test("a guest orders, makes an account, and keeps the order", async () => {
  ({ page, complaints } = await open(chrome));
  await page.goto(`${URL_OF_SHOP}/shop#/product/${whisk.id}`);
  await button("Add to the cart").click();
  await page.getByRole("link", { name: "Cart (1)" }).click();
  await page.getByText("Order as a guest").waitFor();
  await fillIn();
  await button("Order for $18.00").click();
  await page.getByText("Thank you").waitFor();
  await page.getByRole("link", { name: "Guest" }).click();
  await page.getByRole("heading", { name: "Keep these orders" }).waitFor();
  await inspect(page, "shop-guest");
  await page.getByLabel("Username").fill("margaret");
  await page.getByLabel("Password").fill("all the engineers");
  await button("Make it").click();
  await page.getByRole("link", { name: "margaret" }).waitFor();
  await page.getByText("$18.00").waitFor();
});

test("what opens while somebody looks at it can be ordered then", async () => {
  const body = { name: "First flush", price: usd(1000), quantity: 5, saleWindow: { opensAt: new Date(Date.now() + 8000).toISOString() } };
  const { id, version } = await ask(createProduct({ client: admin.client, body }));
  await page.goto(`${URL_OF_SHOP}/shop#/product/${id}`);
  await page.getByText(/^On sale from/).waitFor();
  await inspect(page, "shop-window");
  await page.getByText(/^On sale from/).waitFor({ state: "detached" });
  await button("Add to the cart").click();
  // It is put off meanwhile.
  const saleWindow = { opensAt: "2099-01-01T09:00:00.000Z" };
  await ask(updateProduct({ client: admin.client, path: { id }, body: { version, saleWindow } }));
  await page.getByRole("link", { name: "Cart (1)" }).click();
  await fillIn();
  await button("Order for $10.00").click();
  await page.getByText(/First flush is not on sale before .*2099/).waitFor();
  await page.getByLabel("Units of First flush").fill("0");
  await page.getByLabel("Units of First flush").blur();
  await page.getByText("It is empty.").waitFor();
});

test("nobody has more than the limit, over all orders", async () => {
  const body = { name: "Grand cru", price: usd(500), quantity: 50, limitPerCustomer: 2 };
  const { id } = await ask(createProduct({ client: admin.client, body }));
  for (const [units, then] of [[1, "Thank you"], [2, "Grand cru: each customer may have 2, and you have ordered or kept 1 already"]] as const) {
    await page.goto(`${URL_OF_SHOP}/shop#/product/${id}`);
    await page.getByText("At most 2 for each customer.").waitFor();
    await button("Add to the cart").click();
    await page.getByRole("link", { name: "Cart (1)" }).click();
    const field = page.getByLabel("Units of Grand cru");
    await field.fill(String(units));
    await field.blur();
    await fillIn();
    await button(`Order for $${units * 5}.00`).click();
    await page.getByText(then).waitFor();
  }
});

test("what is kept for somebody is theirs to order, also when it is the last", async () => {
  const { id } = await ask(createProduct({ client: admin.client, body: { name: "Last tin", price: usd(700), quantity: 1 } }));
  await page.goto(`${URL_OF_SHOP}/shop#/product/${id}`);
  await button("Add to the cart").click();
  await page.getByRole("link", { name: /^Cart/ }).click();
  await page.getByLabel("Units of Grand cru").fill("0");
  await page.getByLabel("Units of Grand cru").blur();
  await button("Keep these for me while I type").click();
  await page.getByText(/^Kept for you for [45]:\d\d more/).waitFor();
  await inspect(page, "shop-hold");
  expect((await ask(getProduct({ client: admin.client, path: { id } }))).available).toBe(0);
  await page.reload();
  await page.getByText(/^Kept for you for/).waitFor();
  await fillIn();
  await button("Order for $7.00").click();
  await page.getByText("Thank you").waitFor();
});

/** A developer reads about an operation, and tries it against the shop that shows it. */

import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { browser, picture, URL_OF_SHOP } from "./browser";

let chrome: Browser;
let page: Page;
const elsewhere: string[] = [];
const failures: string[] = [];

beforeAll(async () => {
  chrome = await browser();
  page = await chrome.newPage({ viewport: { width: 1280, height: 900 } });
  page.setDefaultTimeout(15_000);
  page.on("request", (request) => {
    if (!request.url().startsWith(URL_OF_SHOP) && !/^(data|blob):/.test(request.url())) elsewhere.push(request.url());
  });
  page.on("pageerror", (error) => failures.push(error.message));
  await page.goto(`${URL_OF_SHOP}/docs`);
});
afterAll(() => chrome.close());

test("an operation is explained with what is in it", async () => {
  await page.getByRole("heading", { name: "Holdfast", level: 1 }).waitFor();
  await picture(page, "docs");
  await page.goto(`${URL_OF_SHOP}/docs#tag/orders/POST/api/orders`);
  await page.getByRole("heading", { name: /^Place an order/ }).waitFor();
  await page.getByText("curl", { exact: true }).first().waitFor();
  await page.getByRole("button", { name: /Show Child Attributes\s*for items/ }).first().click();
  await page.getByText("productId", { exact: true }).first().waitFor();
  await page.getByRole("button", { name: /price-changed/ }).first().waitFor();
  await picture(page, "docs-order");
});

test("it is tried against the shop", async () => {
  await page.goto(`${URL_OF_SHOP}/docs#tag/products/GET/api/products/categories`);
  await page.getByRole("button", { name: /Test Request\s*\(get \/api\/products\/categories\)/ }).click();
  const dialog = page.getByRole("dialog");
  await dialog.getByRole("button", { name: /^Send.*get request/ }).click();
  await dialog.getByText("200 OK").waitFor();
  expect(elsewhere, "it talks to this shop alone").toEqual([]);
  expect(failures).toEqual([]);
});

/** Letters: a buyer sees by a link how the order stands, sets a new password, confirms the address; the staff see what became of each. */

import { createProduct, getOrder, listOrders, Shop } from "holdfast-client";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ask } from "../src/shared/ask";
import { browser, inspect, page as open, picture, PASSWORD, URL_OF_SHOP } from "./browser";
import { Mailbox } from "./mailbox";

let chrome: Browser;
let page: Page;
let complaints: string[];
const mailbox = new Mailbox();
const admin = new Shop({ baseUrl: URL_OF_SHOP });
let productId: string;

beforeAll(async () => {
  await mailbox.open(process.env["HOLDFAST_MAILBOX"] ?? "");
  await admin.signIn("admin", PASSWORD);
  const body = { name: "Cast-iron kettle", price: { amount: 4950, currency: "USD" as const }, quantity: 20 };
  productId = (await ask(createProduct({ client: admin.client, body }))).id;
  chrome = await browser();
  ({ page, complaints } = await open(chrome));
});
afterAll(async () => {
  await chrome.close();
  mailbox.close();
});
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await picture(page, "letters-failed");
  expect(complaints).toEqual([]);
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const heading = (name: string) => page.getByRole("heading", { name, exact: true, level: 1 });
const told = (text: string) => page.getByRole("status").getByText(text).first().waitFor();

/** Follows a link of a letter, as from a mail program. */
async function follow(kind: string, token: string): Promise<void> {
  await page.goto("about:blank");
  await page.goto(`${URL_OF_SHOP}/shop#/${kind}/${token}`);
}

test("a guest sees by a letter how the order stands", async () => {
  await page.goto(`${URL_OF_SHOP}/shop#/product/${productId}`);
  await button("Add to the cart").click();
  await page.getByRole("link", { name: "Cart (1)" }).click();
  const lines = { "E-mail": "joan@example.org", Name: "Joan Clarke", "Street and number": "Hut 8", "Postal code": "MK3 6EB", City: "Bletchley", "Country (two letters)": "GB" };
  for (const [label, text] of Object.entries(lines)) await page.getByLabel(label, { exact: true }).fill(text);
  await button("Order for $49.50").click();
  await page.getByText("Thank you").waitFor();
  const token = await mailbox.token("joan@example.org", "status");
  await follow("status", token);
  const { items } = await ask(listOrders({ client: admin.client, query: { limit: 1 } }));
  await heading(`Order ${items[0]?.number ?? ""}`).waitFor();
  await page.getByText("1 × Cast-iron kettle").waitFor();
  expect(await page.getByText("Joan").count(), "nothing personal").toBe(0);
  await inspect(page, "order-status");
  await follow("status", token.slice(1));
  await page.getByRole("alert").waitFor();
});

test("somebody registers and confirms the address", async () => {
  const { page: other, complaints: wrong } = await open(chrome);
  await other.goto(`${URL_OF_SHOP}/shop#/account`);
  await other.getByRole("button", { name: "I am new here", exact: true }).click();
  await other.getByLabel("Username").fill("joan");
  await other.getByLabel("Password").fill("a fine passphrase");
  await other.getByLabel("E-mail address").fill("joan@example.com");
  await inspect(other, "register");
  await other.getByRole("button", { name: "Make it", exact: true }).click();
  await other.getByRole("heading", { name: "Your orders" }).waitFor();
  await other.context().close();
  expect(wrong).toEqual([]);
  const token = await mailbox.token("joan@example.com", "verify");
  await follow("verify", token);
  await told("Thank you: it is yours.");
  await inspect(page, "address-confirmed");
});

test("who has forgotten the password sets another", async () => {
  await page.goto(`${URL_OF_SHOP}/shop#/forgotten`);
  await page.getByLabel("Username or e-mail address").fill("joan");
  await inspect(page, "forgotten");
  await button("Send me a letter").click();
  await told("If there is an account of joan");
  const token = await mailbox.token("joan@example.com", "reset");
  await follow("reset", token);
  await page.getByLabel("New password").fill("another fine passphrase");
  await inspect(page, "new-password");
  await button("Set it").click();
  await told("It is set.");
  const joan = new Shop({ baseUrl: URL_OF_SHOP });
  await joan.signIn("joan", "another fine passphrase");
  await follow("reset", token);
  await page.getByLabel("New password").fill("a third fine passphrase");
  await button("Set it").click();
  await page.getByRole("alert").getByText("The link was used").waitFor();
});

test("the staff see what became of each letter", async () => {
  const { page: staff, complaints: wrong } = await open(chrome);
  await staff.goto(`${URL_OF_SHOP}/console`);
  await staff.getByRole("button", { name: "Forgotten the password?" }).click();
  await staff.getByRole("heading", { name: "A new password" }).waitFor();
  await inspect(staff, "console-forgotten");
  await staff.getByRole("button", { name: "Back" }).click();
  await staff.getByLabel("Username").fill("admin");
  await staff.getByLabel("Password").fill(PASSWORD);
  await staff.getByRole("button", { name: "Sign in", exact: true }).click();
  await staff.getByRole("link", { name: "Letters", exact: true }).click();
  await staff.getByText("From Shop <shop@example.com>.").waitFor();
  const rows = staff.getByRole("table", { name: "Letters" });
  await rows.getByRole("button", { name: "New password" }).waitFor();
  await rows.getByRole("button", { name: "Order placed" }).click();
  await inspect(staff, "letters");
  const before = mailbox.letters.length;
  await staff.getByRole("button", { name: "Send once more" }).click();
  await expect.poll(() => mailbox.letters.length, { timeout: 15_000 }).toBe(before + 1);
  await staff.getByRole("link", { name: "The order", exact: true }).click();
  const { items } = await ask(listOrders({ client: admin.client, query: { limit: 1 } }));
  const order = await ask(getOrder({ client: admin.client, path: { id: items[0]?.id ?? "" } }));
  await staff.getByRole("button", { name: order.number }).waitFor();
  await staff.getByRole("link", { name: "Letters about it" }).click();
  await staff.getByRole("button", { name: "About one order ✕" }).waitFor();
  await expect.poll(() => rows.getByRole("button", { name: "Order placed" }).count()).toBe(1);
  await staff.context().close();
  expect(wrong).toEqual([]);
});

/** Money: a guest is declined, asks their bank and pays; the staff give some of it back, and call off the rest. */

import { createPayment, createProduct, getOrder, listPayments, placeOrder, Shop, showPaymentStatistics, testPayment, type OrderView, type PaymentCapture, type PaymentView } from "holdfast-client";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ask } from "../src/shared/ask";
import { browser, inspect, page as open, picture, PASSWORD, URL_OF_SHOP } from "./browser";

let chrome: Browser;
let page: Page;
let complaints: string[];
const admin = new Shop({ baseUrl: URL_OF_SHOP });
const buyer = new Shop({ baseUrl: URL_OF_SHOP });
let productId: string;
let order: OrderView;

beforeAll(async () => {
  await admin.signIn("admin", PASSWORD);
  await buyer.beAGuest();
  const body = { name: "Cast-iron kettle", price: { amount: 4950, currency: "USD" as const }, quantity: 20 };
  productId = (await ask(createProduct({ client: admin.client, body }))).id;
  chrome = await browser();
  ({ page, complaints } = await open(chrome));
});
afterAll(() => chrome.close());
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await picture(page, "payments-failed");
  expect(complaints).toEqual([]);
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const heading = (name: string) => page.getByRole("heading", { name, exact: true, level: 1 });
const notice = (text: string) => page.getByRole("status").getByText(text).first();
const dialog = () => page.getByRole("dialog");
const payment = () => page.getByRole("region", { name: "Payment", exact: true });

async function paymentsOf(order: OrderView): Promise<PaymentView[]> {
  return (await ask(listPayments({ client: admin.client, query: { orderId: order.id } }))).items;
}

/** An order of the other buyer, and a payment that they have begun. */
async function begun(capture: PaymentCapture): Promise<{ order: OrderView; payment: PaymentView }> {
  const order = await ask(placeOrder({ client: buyer.client, body: { items: [{ productId, quantity: 1 }] } }));
  return { order, payment: await ask(createPayment({ client: buyer.client, body: { orderId: order.id, capture } })) };
}
const pay = ({ id }: PaymentView) => ask(testPayment({ client: buyer.client, path: { id }, body: { outcome: "succeed" } }));

test("a guest orders, and an answer that is lost does not make a second payment", async () => {
  await page.goto(`${URL_OF_SHOP}/shop#/product/${productId}`);
  await button("Add to the cart").click();
  await page.getByRole("link", { name: "Cart (1)" }).click();
  const lines = { "E-mail": "joan@example.org", Name: "Joan Clarke", "Street and number": "Hut 8", "Postal code": "MK3 6EB", City: "Bletchley", "Country (two letters)": "GB" };
  for (const [label, text] of Object.entries(lines)) await page.getByLabel(label, { exact: true }).fill(text);
  await button("Order for $49.50").click();
  await page.getByText("Thank you").waitFor();
  await payment().getByText("Nothing is paid yet.").waitFor();
  await inspect(page, "payment-offered");
  const [, id = ""] = /order\/([^?]+)/.exec(page.url()) ?? [];
  order = await ask(getOrder({ client: admin.client, path: { id } }));

  const keys = new Set<string | undefined>();
  await page.route("**/api/payments", async (route) => {
    if (route.request().method() !== "POST" || !route.request().postData()?.includes(id)) return route.continue();
    keys.add(route.request().headers()["idempotency-key"]);
    await route.fetch();
    await route.abort();
  });
  await button("Pay now").click();
  await expect.poll(() => keys.size).toBe(1);
  await page.reload();
  // It is there, although nobody was told.
  await button("Pay").waitFor();
  await page.unroute("**/api/payments");
  expect(await paymentsOf(order)).toHaveLength(1);
});

test("they are declined, and try again", async () => {
  await inspect(page, "payment-begun");
  await button("Be declined").click();
  await payment().getByText("Declined: the card was declined. Nothing was taken.").waitFor();
  await inspect(page, "payment-declined");
  const keys: (string | undefined)[] = [];
  const isSent = (url: string) => url.endsWith("/api/payments");
  page.on("request", (request) => isSent(request.url()) && request.method() === "POST" && request.postData()?.includes(order.id) && keys.push(request.headers()["idempotency-key"]));
  // Nobody answers for a while, and the buyer reloads: it is the same attempt still.
  await page.route("**/api/payments", (route) => (route.request().method() === "POST" ? route.abort() : route.continue()));
  await button("Try again").click();
  await expect.poll(() => keys.length).toBeGreaterThan(1);
  await page.reload();
  const sent = keys.length;
  await page.unroute("**/api/payments");
  await button("Try again").click();
  await button("Pay").waitFor();
  expect(new Set(keys.slice(0, sent + 1)).size, "one attempt, one key").toBe(1);
  expect((await paymentsOf(order)).map(({ status }) => status)).toEqual(["pending", "failed"]);
});

test("where the provider is a real one, the shop's own front goes on", async () => {
  await page.route("**/api/payments**", async (route) => {
    const response = await route.fetch();
    await route.fulfill({ response, body: (await response.text()).replaceAll('"provider":"test"', '"provider":"stripe"') });
  });
  await page.reload();
  await payment().getByText("with the client secret").waitFor();
  await inspect(page, "payment-elsewhere");
  expect(await button("Pay").count()).toBe(0);
  const looked = page.waitForResponse(/\/sync$/);
  await button("Look again").click();
  expect((await looked).ok()).toBe(true);
  await page.unrouteAll({ behavior: "ignoreErrors" });
  await page.reload();
});

test("their bank asks first, then it is paid", async () => {
  await button("Ask my bank first").click();
  await payment().getByText("Your bank wants to hear from you first.").waitFor();
  await inspect(page, "payment-bank");
  await button("Pay").click();
  await payment().getByText("Paid: $49.50.").waitFor();
  // The order follows by itself.
  await page.getByText("Thank you").waitFor({ state: "detached" });
  await inspect(page, "payment-paid");
  expect((await ask(getOrder({ client: admin.client, path: { id: order.id } }))).status).toBe("paid");
});

test("the staff find the payment by its order, and give some of it back", async () => {
  const shop = page;
  ({ page, complaints } = await open(chrome));
  await page.goto(`${URL_OF_SHOP}/console`);
  await page.getByLabel("Username").fill("admin");
  await page.getByLabel("Password").fill(PASSWORD);
  await button("Sign in").click();
  await heading("Overview").waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("m");
  await heading("Payments").waitFor();
  const table = page.getByRole("table", { name: "Payments" });
  await table.getByRole("row", { name: /\$49\.50 Captured/ }).waitFor();
  await page.getByLabel("Status").selectOption("failed");
  await table.getByRole("row", { name: /Captured/ }).waitFor({ state: "detached" });
  await button("$49.50").click();
  await page.getByText("Refused: the card was declined").waitFor();
  await page.getByLabel("Status").selectOption("captured");
  await page.keyboard.press("/");
  await page.keyboard.type(order.number.toLowerCase());
  await page.waitForURL(/q=/);
  await button("$49.50").click();
  await page.getByRole("link", { name: order.number }).waitFor();
  await inspect(page, "payments");
  await button("Refund").click();
  const amount = dialog().getByLabel("Amount in USD");
  expect(await amount.inputValue()).toBe("49.50");
  await amount.fill("50");
  await dialog().getByLabel("Why").fill("The lid came broken");
  await dialog().getByRole("button", { name: "Refund" }).click();
  await dialog().getByText("only $49.50 is left to be given back").waitFor();
  await inspect(page, "refund");
  await amount.fill("a cup");
  await dialog().getByRole("button", { name: "Refund" }).click();
  await dialog().getByText("expected an amount such as 49.50").waitFor();
  await amount.fill("12.50");
  await dialog().getByRole("button", { name: "Refund" }).click();
  await notice("$12.50 went back").waitFor();
  await dialog().waitFor({ state: "detached" });
  await page.getByRole("table", { name: "Refunds" }).getByRole("row", { name: /^\$12\.50 Succeeded The lid came broken admin/ }).waitFor();
  await table.getByRole("row", { name: /^\$49\.50 Captured .* \$12\.50/ }).waitFor();
  await inspect(page, "payment-details");
  await button("Refund").click();
  expect(await amount.inputValue()).toBe("37.00");
  await page.keyboard.press("Escape");
  await button("Look again").click();
  await notice("The provider says: captured").waitFor();
  await shop.reload();
  await shop.getByText("$12.50 went back to you.").waitFor();
  await shop.close();
});

test("an order shows its payments, and what was paid goes back when it is cancelled", async () => {
  await page.getByRole("link", { name: order.number }).click();
  await heading("Orders").waitFor();
  const payments = page.getByRole("region", { name: "Payments" });
  await payments.getByText("Captured").waitFor();
  await payments.getByText("$12.50 went back").waitFor();
  await payments.getByText("Refused: the card was declined").waitFor();
  await inspect(page, "order-payments");
  await button("Cancel").click();
  await dialog().getByText("goes back by itself: $37.00").waitFor();
  await inspect(page, "order-cancel");
  await button("Cancel the order").click();
  await payments.getByText("$49.50 went back").waitFor();
  await payments.getByRole("link", { name: "$49.50" }).first().click();
  await page.getByRole("table", { name: "Refunds" }).getByRole("row", { name: /^\$37\.00 Succeeded .* The shop itself/ }).waitFor();
  await button("Refund").waitFor({ state: "detached" });
});

test("what was set aside is captured, or called off", async () => {
  await page.getByRole("navigation").getByRole("link", { name: "Payments" }).click();
  await button("One payment ✕").waitFor({ state: "detached" });
  const first = await begun("manual");
  // They appear by themselves.
  const table = page.getByRole("table", { name: "Payments" });
  await table.getByRole("button", { name: "$49.50" }).nth(2).waitFor();
  await table.getByRole("button", { name: "$49.50" }).first().click();
  await page.getByText("When somebody captures it, or the order ships").waitFor();
  await pay(first.payment);
  await button("Capture").click();
  await notice("$49.50 is taken").waitFor();
  await button("Refund").waitFor();
  const second = await begun("manual");
  await pay(second.payment);
  await page.goto(`${URL_OF_SHOP}/console#/payments?orderId=${second.order.id}&open=${second.payment.id}`);
  await button("Capture").waitFor();
  await inspect(page, "payment-authorized");
  await button("Cancel payment").click();
  await dialog().getByText("The order stays as it is").waitFor();
  await dialog().getByRole("button", { name: "Keep it" }).click();
  await button("Cancel payment").click();
  await dialog().getByRole("button", { name: "Cancel the payment" }).click();
  await notice("The payment is called off").waitFor();
  await button("Capture").waitFor({ state: "detached" });
  await button("Of one order ✕").click();
  await table.getByRole("button", { name: "$49.50" }).nth(3).waitFor();
});

test("units of an order are refunded, and are back in the stock", async () => {
  const order = await ask(placeOrder({ client: buyer.client, body: { items: [{ productId, quantity: 3 }] } }));
  const { id } = await pay(await ask(createPayment({ client: buyer.client, body: { orderId: order.id } })));
  await page.goto(`${URL_OF_SHOP}/console#/payments?id=${id}&open=${id}`);
  await button("Refund").click();
  await dialog().getByText("3 of 3, $49.50 each").waitFor();
  const amount = dialog().getByLabel("Amount in USD");
  const units = dialog().getByLabel("Cast-iron kettle");
  expect(await amount.inputValue()).toBe("148.50");
  await units.fill("4");
  await dialog().getByRole("button", { name: "Refund" }).click();
  await dialog().getByText("the order has 3 units").waitFor();
  await units.fill("2");
  expect(await amount.inputValue()).toBe("99.00");
  expect(await dialog().getByLabel("They go back to the stock").isChecked(), "nothing has been sent yet").toBe(true);
  await inspect(page, "refund-units");
  await dialog().getByRole("button", { name: "Refund" }).click();
  await notice("$99.00 went back").waitFor();
  await page.getByRole("table", { name: "Refunds" }).getByRole("row", { name: /2 units, back in the stock/ }).waitFor();
  await button("Refund").click();
  await dialog().getByText("1 of 3, $49.50 each").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("link", { name: order.number }).click();
  await page.getByText("2 back in the stock").waitFor();
  await inspect(page, "order-returned");
  await button("Ship").click();
  await dialog().getByText("What is back in the stock is not sent").waitFor();
  await page.keyboard.press("Escape");
});

test("events lead to their payment", async () => {
  await page.getByRole("navigation").getByRole("link", { name: "Events" }).click();
  await page.getByLabel("About").selectOption("Payments and refunds");
  await button("refund succeeded").first().click();
  await page.getByRole("link", { name: "The payment" }).click();
  await heading("Payments").waitFor();
  await page.getByRole("table", { name: "Refunds" }).waitFor();
});

test("the overview says what was taken, what went back, and what is owed", async () => {
  await page.getByRole("navigation").getByRole("link", { name: "Overview" }).click();
  const money = page.getByRole("region", { name: "Money", exact: true });
  await money.getByRole("heading", { name: "Taken: today" }).waitFor();
  const { total, owed } = await ask(showPaymentStatistics({ client: admin.client }));
  expect([total.captured.count > 0, total.refunded.count > 0, owed.count]).toEqual([true, true, 0]);
  const [taken] = total.captured.sums;
  await money.getByText(new Intl.NumberFormat("en-US", { style: "currency", currency: "USD" }).format((taken?.amount ?? 0) / 100)).first().waitFor();
  await money.getByText("nothing is on its way back").waitFor();
  await inspect(page, "overview-money");
});

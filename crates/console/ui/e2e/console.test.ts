/** A merchant's day, with the mouse: from an empty shop to an order that has arrived. */

import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { getProduct, listOrders, listProducts, placeOrder, registerUser, Shop, updateProduct, updateUser, type OrderView, type ProductView } from "holdfast-client";
import type { Browser, Page } from "playwright-core";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { ask } from "../src/shared/ask";
import { browser, inspect, page as open, picture, PASSWORD, URL_OF_SHOP } from "./browser";

let chrome: Browser;
let page: Page;
let complaints: string[];
const admin = new Shop({ baseUrl: URL_OF_SHOP });
const customer = new Shop({ baseUrl: URL_OF_SHOP });
let order: OrderView;

beforeAll(async () => {
  await admin.signIn("admin", PASSWORD);
  chrome = await browser();
  ({ page, complaints } = await open(chrome));
  await page.goto(`${URL_OF_SHOP}/console`);
});
afterAll(() => chrome.close());
afterEach(async ({ task }) => {
  if (task.result?.state === "fail") await picture(page, "console-failed");
  expect(complaints).toEqual([]);
});

const button = (name: string) => page.getByRole("button", { name, exact: true });
const heading = (name: string) => page.getByRole("heading", { name, exact: true, level: 1 });
/** Leads to a screen; what the one before has there in the same place is gone then. */
async function go(screen: string): Promise<void> {
  await page.getByRole("navigation").getByRole("link", { name: screen }).click();
  await heading(screen).waitFor();
}
const notice = (text: string) => page.getByRole("status").getByText(text).first();
const dialog = () => page.getByRole("dialog");

async function find(q: string): Promise<ProductView> {
  const { items } = await ask(listProducts({ client: admin.client, query: { q } }));
  expect(items).toHaveLength(1);
  return items[0] as ProductView;
}

test("a wrong password is told, the right one opens", async () => {
  await page.getByLabel("Username").fill("admin");
  await page.getByLabel("Password").fill("not the password");
  await button("Sign in").click();
  await page.getByRole("alert").waitFor();
  await inspect(page, "sign-in");
  await page.getByLabel("Password").fill(PASSWORD);
  await button("Sign in").click();
  await heading("Overview").waitFor();
});

test("an empty shop offers the tea shop's catalogue with one click", async () => {
  await button("Import the tea shop").waitFor();
  await inspect(page, "overview-empty");
  await button("Import the tea shop").click();
  await dialog().getByText("10 created, 0 updated, 0 refused").waitFor();
  await dialog().getByText("Everything is there.").waitFor();
  await button("Close").first().click();
  await go("Products");
  await page.getByRole("row", { name: /Oolong/ }).waitFor();
  await page.waitForFunction(() => {
    const pictures = [...document.querySelectorAll<HTMLImageElement>("img.thumb")];
    return pictures.length === 10 && pictures.every((picture) => picture.naturalWidth > 0);
  });
  await inspect(page, "products");
});

test("a file is imported, and what it lacks is told row by row", async () => {
  await button("Import").click();
  const file = (text: string) => ({ name: "teas.csv", mimeType: "text/csv", buffer: Buffer.from(text) });
  const head = "sku,name,price,currency,quantity\n";
  await dialog().getByLabel("File").setInputFiles(file(`${head}TEA-1,Again,100,USD,1\nTEA-9,Gyokuro,2900,USD,10\nTEA-10,,100,USD,1\nTEA-11,Half,1.5,USD,1\n`));
  await dialog().getByRole("button", { name: "Import", exact: true }).click();
  await dialog().getByText("4 of 4 rows: 1 created, 0 updated, 3 refused").waitFor();
  await dialog().getByRole("row", { name: /4 TEA-11 price: expected minor units/ }).waitFor();
  await dialog().getByRole("row", { name: /^3 TEA-10 name/ }).waitFor();
  await inspect(page, "import");
  await dialog().getByLabel("File").setInputFiles(file("name,colour\nx,y\n"));
  await dialog().getByRole("button", { name: "Import", exact: true }).click();
  await dialog().getByText('There is no column "sku"').waitFor();
  await button("Close").first().click();
});

test("search, categories and addresses narrow the list", async () => {
  await page.keyboard.press("/");
  await page.keyboard.type("teapot");
  await page.getByRole("row", { name: /Glass teapot/ }).waitFor();
  await page.getByRole("row", { name: /Oolong/ }).waitFor({ state: "detached" });
  expect(page.url()).toContain("q=teapot");
  await page.reload();
  await page.getByRole("row", { name: /Glass teapot/ }).waitFor();
  await page.getByLabel("Search").fill("no such thing");
  await button("Show all products").click();
  await page.getByLabel("Category").selectOption("Cups");
  await page.getByRole("row", { name: /Stoneware mug/ }).waitFor();
  await page.getByRole("row", { name: /Oolong/ }).waitFor({ state: "detached" });
  await page.getByLabel("Category").selectOption("");
});

test("a price is changed while somebody else changes the product, and both are merged", async () => {
  await button("Oolong").click();
  const before = await find("oolong");
  await page.getByRole("textbox", { name: "Price" }).fill("21.50");
  await page.getByRole("textbox", { name: "Description" }).fill("Mine");
  const theirs = { name: "Oolong, high mountain", description: "Theirs", version: before.version };
  await ask(updateProduct({ client: admin.client, path: { id: before.id }, body: theirs }));
  await button("Save").click();
  await dialog().getByText("Somebody else changed it meanwhile").waitFor();
  await dialog().getByText("both changed it").waitFor();
  await inspect(page, "merge");
  await dialog().getByLabel("Description, theirs").check();
  await button("Save what is chosen").click();
  await notice("is changed").waitFor();
  const after = await ask(getProduct({ client: admin.client, path: { id: before.id } }));
  expect([after.name, after.price.amount, after.description]).toEqual(["Oolong, high mountain", 2150, "Theirs"]);
  await button("Oolong, high mountain").waitFor();
});

test("stock is adjusted, and the journal says so", async () => {
  await page.getByLabel("Units to add").fill("-5");
  await page.getByLabel("Why").fill("broken in the post");
  await button("Adjust").click();
  await notice("now 20 on hand").waitFor();
  await button("Journal").click();
  await page.getByRole("row", { name: /2 Adjustment .* -5 0 broken in the post/ }).waitFor();
  await page.getByLabel("Units to add").fill("-50");
  await button("Adjust").click();
  await page.getByRole("alert").waitFor();
  await inspect(page, "product");
});

test("a new product is refused with what is wrong, then made", async () => {
  await button("New product").click();
  await dialog().getByLabel("Name").fill("Matcha");
  await dialog().getByLabel("SKU").fill("TEA-1");
  await button("Create").click();
  await dialog().getByText("expected an amount such as 19.99").waitFor();
  await dialog().getByLabel("Price").fill("24");
  await button("Create").click();
  await dialog().getByRole("alert").waitFor();
  await dialog().getByLabel("SKU").fill("TEA-5");
  await dialog().getByLabel("Units on hand").fill("3");
  await dialog().getByLabel("On sale from").fill("2024-01-01T09:00");
  await dialog().getByLabel("On sale until").fill("2023-01-01T09:00");
  await button("Create").click();
  await dialog().getByText("expected a moment after `opensAt`").waitFor();
  await dialog().getByLabel("On sale until").fill("2099-01-01T09:00:30");
  await dialog().getByLabel("Units for one customer").fill("0");
  await button("Create").click();
  await dialog().getByText("expected 1 to 1000 units").waitFor();
  await dialog().getByLabel("Units for one customer").fill("2");
  await inspect(page, "new-product");
  await button("Create").click();
  await notice("Matcha is for sale").waitFor();
  const { price, saleWindow, limitPerCustomer } = await find("matcha");
  expect([price, limitPerCustomer]).toEqual([{ amount: 2400, currency: "USD" }, 2]);
  expect([saleWindow?.opensAt, saleWindow?.closesAt].map((at) => new Date(at ?? "").toISOString())).toEqual(
    ["2024-01-01T09:00", "2099-01-01T09:00:30"].map((at) => new Date(at).toISOString()),
  );
});

test("a picture is put in, and shown", async () => {
  // A drawing of four pixels, as PNG.
  const drawing = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEUlEQVR4nGOI6rE5YWPDAKEAImQExZIO320AAAAASUVORK5CYII=";
  await page.getByLabel("Put in pictures").setInputFiles({ name: "matcha.png", mimeType: "image/png", buffer: Buffer.from(drawing, "base64") });
  await expect.poll(() => page.getByLabel("Pictures", { exact: true }).inputValue()).toMatch(/^\/media\/[0-9a-f]{64}\.png$/);
  await button("Save").click();
  await page.waitForFunction(() => [...document.querySelectorAll<HTMLImageElement>("img.thumb")].some(({ src, naturalWidth }) => src.includes("/media/thumbnails/") && naturalWidth === 2));
  expect((await find("matcha")).images[0]?.url).toMatch(/^\/media\//);
  await page.getByLabel("Put in pictures").setInputFiles({ name: "matcha.txt", mimeType: "text/plain", buffer: Buffer.from("tea") });
  await page.getByText(/expected a picture/i).waitFor();
});

test("what is taken off sale comes back by undo", async () => {
  await button("Take off sale").click();
  await notice("Matcha is not for sale any more").waitFor();
  await button("Undo").click();
  await button("Take off sale").waitFor();
  expect((await find("matcha")).status).toBe("active");
});

test("what was taken off sale is found, and put on sale again", async () => {
  await button("Take off sale").click();
  await button("Put on sale again").waitFor();
  await page.getByLabel("Taken off sale").check();
  await button("Matcha").click();
  await button("Put on sale again").click();
  await button("Take off sale").waitFor();
  expect((await find("matcha")).status).toBe("active");
  await page.getByLabel("Taken off sale").uncheck();
});

test("an order arrives, is paid, shipped, delivered, and its stock has gone", async () => {
  await ask(registerUser({ client: customer.client, body: { username: "ada", password: "a tea drinker's phrase" } }));
  await customer.signIn("ada", "a tea drinker's phrase");
  const oolong = await find("oolong");
  const shippingAddress = { name: "Ada Lovelace", line1: "12 St James's Square", city: "London", postalCode: "SW1Y 4JH", country: "GB" };
  const body = { items: [{ productId: oolong.id, quantity: 2 }], email: "ada@example.org", shippingAddress };
  await go("Orders");
  await page.getByText("Nobody has ordered yet. Orders appear here as they come in.").waitFor();
  order = await ask(placeOrder({ client: customer.client, body }));
  // It appears by itself.
  await button(order.number).click();
  await page.getByText("ada@example.org").last().waitFor();
  await page.getByLabel("Note, for the staff alone").fill("Gift: no invoice in the parcel");
  await button("Keep the note").click();
  await notice("is kept").waitFor();
  await inspect(page, "order");
  await button("Mark as paid").click();
  await dialog().getByLabel("Reference").fill("transfer 17");
  await dialog().getByRole("button", { name: "Mark as paid" }).click();
  await notice("is paid").waitFor();
  await button("Ship").click();
  await dialog().getByLabel("Carrier").fill("Royal Mail");
  await dialog().getByLabel("Tracking number").fill("RM 1");
  await inspect(page, "ship");
  await dialog().getByRole("button", { name: "Ship" }).click();
  await notice("is on its way").waitFor();
  await button("Mark as delivered").click();
  await notice("has arrived").waitFor();
  for (const step of ["Paid", "Shipped", "Delivered"]) await page.getByLabel("What happened").getByText(step).waitFor();
  await page.getByText("RM 1").waitFor();
  await page.getByRole("link", { name: "Oolong, high mountain" }).click();
  await button("Journal").click();
  await page.getByRole("row", { name: /4 Shipment .* -2 -2/ }).waitFor();
  expect((await find("oolong")).quantity).toBe(18);
});

test("an order is cancelled only after a question", async () => {
  const { id: productId } = await find("sencha");
  const second = await ask(placeOrder({ client: customer.client, body: { items: [{ productId, quantity: 40 }] } }));
  await go("Orders");
  await page.getByLabel("Status").selectOption("placed");
  await button(second.number).click();
  await button("Cancel").click();
  await button("Keep it").click();
  await button("Cancel").click();
  await button("Cancel the order").click();
  await notice("is cancelled, its stock is back").waitFor();
  expect((await find("sencha")).available).toBe(40);
});

test("orders are found by number, by e-mail and by day", async () => {
  await page.getByLabel("Status").selectOption("");
  await page.getByRole("searchbox").fill(order.number.toLowerCase().replaceAll("-", ""));
  await page.getByRole("row", { name: /Cancelled/ }).waitFor({ state: "detached" });
  await button(order.number).waitFor();
  await page.getByRole("searchbox").fill("ADA@example.org");
  await page.waitForURL(/q=ADA/);
  await button(order.number).waitFor();
  expect(await page.getByRole("row").count()).toBe(2);
  await inspect(page, "orders-found");
  const downloaded = page.waitForEvent("download");
  await button("Download as CSV").click();
  const table = readFileSync(await (await downloaded).path(), "utf8");
  expect(table.trim().split("\n").length).toBe(2);
  expect(table).toContain(`${order.number},${order.id},delivered`);
  await page.getByRole("searchbox").fill("nobody@example.org");
  await button("Show all orders").click();
  await page.getByLabel("To", { exact: true }).fill("2001-01-01");
  await page.getByText("No order is like that.").waitFor();
  await button("Show all orders").click();
  await button(order.number).waitFor();
});

test("a user is made a seller, and shut out", async () => {
  await go("Users");
  await page.getByRole("searchbox").fill("nobody at all");
  await button("Show everybody").click();
  await page.getByLabel("With the role").selectOption("customer");
  await button("admin").waitFor({ state: "detached" });
  await page.getByRole("searchbox").fill("AD");
  await page.waitForURL(/q=AD/);
  await button("ada").click();
  await page.getByRole("combobox", { name: /^Role/ }).selectOption("seller");
  await notice("ada is seller now").waitFor();
  await button("Undo").click();
  await notice("ada is customer again").waitFor();
  await button("Shut out").click();
  await notice("ada is shut out").waitFor();
  await inspect(page, "users");
  await button("Let in again").click();
  await notice("ada may sign in again").waitFor();
  await button("Reset the password").click();
  await dialog().getByText("it sets a new password, once").waitFor();
  await button("Close").first().click();
});

test("the overview leads to what it shows", async () => {
  await go("Overview");
  await page.getByRole("region", { name: "Newest orders" }).getByRole("link", { name: order.number }).waitFor();
  const sales = page.getByRole("region", { name: "Sales" });
  await sales.getByText(/^[1-9]\d* orders?, [1-9]\d* units?$/).first().waitFor();
  await sales.locator("canvas").waitFor();
  await inspect(page, "overview");
  await sales.getByLabel("Show").selectOption("day");
  await sales.getByText("As a table").click();
  await sales.getByRole("columnheader", { name: /Revenue in/ }).waitFor();
  await page.getByRole("link", { name: order.number }).click();
  await page.getByText("transfer 17").waitFor();
});

test("events are shown as they happen, and lead to what they are about", async () => {
  await go("Events");
  await button("order placed").first().waitFor();
  await page.getByLabel("About").selectOption("Users");
  await button("order placed").first().waitFor({ state: "detached" });
  await page.getByLabel("About").selectOption("Orders");
  await button("order delivered").first().click();
  await page.getByText('"trackingNumber": "RM 1"').waitFor();
  await inspect(page, "events");
  await page.getByRole("link", { name: "All that happened to it" }).click();
  await expect.poll(() => page.getByRole("table", { name: "Events" }).getByRole("row").count()).toBe(5);
  await go("Events");
  // The screen is told, and does not look by itself so soon.
  const placed = page.getByRole("table", { name: "Events" }).getByRole("button", { name: "order placed" });
  await placed.first().waitFor();
  const before = await placed.count();
  const oolong = await find("oolong");
  await ask(placeOrder({ client: admin.client, body: { items: [{ productId: oolong.id, quantity: 1 }] } }));
  await expect.poll(() => placed.count(), { timeout: 2500 }).toBe(before + 1);
});

test("a webhook is made, tried out, changed and deleted", async () => {
  await go("Webhooks");
  await button("New webhook").first().click();
  await dialog().getByLabel("Address").fill("https://127.0.0.1/hooks");
  await dialog().getByRole("button", { name: "Create" }).click();
  await dialog().getByText("is not an address of the public internet").waitFor();
  await dialog().getByLabel("Address").fill("https://shop.example/hooks");
  await dialog().getByLabel("What it is for").fill("The warehouse");
  await inspect(page, "webhook-new");
  await dialog().getByRole("button", { name: "Create" }).click();
  await dialog().getByText(/^whsec_/).waitFor();
  await page.keyboard.press("Escape");
  await button("https://shop.example/hooks").click();
  await button("Send a test").click();
  // Nobody is there by that name (RFC 6761, §6.5).
  await button("webhook.test").click();
  await page.getByText("No answer").first().waitFor();
  await inspect(page, "webhooks");
  await button("Another secret").click();
  await button("Make one").click();
  await dialog().getByText(/^whsec_/).waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("Both secrets sign until").waitFor();
  await button("Deliver once more").first().click();
  await dialog().getByRole("button", { name: "Deliver" }).click();
  await page.getByText("It is delivered once more").waitFor();
  await button("Switch off").click();
  await page.getByText("switched off by hand").waitFor();
  await button("Switch on").click();
  await button("Switch off").waitFor();
  await button("Delete").click();
  await button("Delete it").click();
  await page.getByText("Nothing is delivered anywhere").waitFor();
});

test("a role is made, given, narrowed and deleted", async () => {
  await go("Roles");
  await button("seller").waitFor();
  await button("New role").click();
  await dialog().getByLabel("Name").fill("Packer");
  await dialog().getByRole("button", { name: "Create" }).click();
  await dialog().getByText("small letters, digits and hyphens, a letter first").waitFor();
  await dialog().getByLabel("Name").fill("packer");
  await dialog().getByLabel("What it is for").fill("Packs and ships");
  await dialog().getByLabel("Everybody's orders").selectOption("write");
  await inspect(page, "role-new");
  await dialog().getByRole("button", { name: "Create" }).click();
  await button("packer").click();
  await page.getByLabel("Stock and its journal").selectOption("read");
  await button("Save").click();
  await notice("The role is changed").waitFor();
  await page.getByText("stock:read, orders:write").waitFor();
  await inspect(page, "roles");
  await page.getByRole("link", { name: "Who has it" }).click();
  await page.getByText("Nobody is like that.").waitFor();
  await button("Show everybody").click();
  await go("Roles");
  await button("packer").click();
  await button("Delete").click();
  await button("Delete it").click();
  await button("packer").waitFor({ state: "detached" });
});

test("an API key is made, used, given another secret and deleted", async () => {
  await go("API keys");
  await button("New key").first().click();
  await dialog().getByLabel("Name").fill("Warehouse");
  await dialog().getByRole("button", { name: "Create" }).click();
  await dialog().getByText("expected one permission at least").waitFor();
  await dialog().getByLabel("Everybody's orders").selectOption("read");
  await dialog().getByLabel("Only from").fill("10.0.0.1/8");
  await inspect(page, "key-new");
  await dialog().getByRole("button", { name: "Create" }).click();
  await dialog().getByText("ends in zeros").waitFor();
  await dialog().getByLabel("Only from").fill("");
  await dialog().getByRole("button", { name: "Create" }).click();
  const apiKey = await dialog().getByText(/^hfk_/).innerText();
  await page.keyboard.press("Escape");
  const program = new Shop({ baseUrl: URL_OF_SHOP, apiKey });
  expect((await ask(listOrders({ client: program.client }))).items.length).toBeGreaterThan(0);
  await button("Warehouse").click();
  await inspect(page, "keys");
  await button("Another secret").click();
  await button("Make one").click();
  await dialog().getByText(/^hfk_/).waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("The secret before is good until").waitFor();
  await button("Delete").click();
  await button("Delete it").click();
  await page.getByText("No program works with the shop").waitFor();
});

test("the audit log says who changed what, and is searched", async () => {
  await go("Audit log");
  const table = page.getByRole("table", { name: "Audit log" });
  await table.getByRole("row", { name: /^delete key admin/ }).first().waitFor();
  await table.getByRole("button", { name: "rotate key" }).click();
  await table.getByText(/^POST \/api\/keys\/.*\/rotate$/).waitFor();
  await inspect(page, "audit-log");
  await table.getByRole("link", { name: "All changes of it" }).click();
  await table.getByRole("button", { name: "create key" }).waitFor();
  await button("Of one thing ✕").click();
  await page.getByLabel("What").selectOption("update role");
  await table.getByRole("button", { name: "delete key" }).waitFor({ state: "detached" });
  await table.getByRole("button", { name: "update role" }).first().waitFor();
  await page.getByLabel("Search").fill("nobody at all");
  await page.getByText("Nobody changed anything of that kind.").waitFor();
  await button("Show everything").click();
  await table.getByRole("button", { name: "delete key" }).waitFor();
  await page.getByLabel("Search").fill("ADMIN");
  await page.waitForURL(/q=ADMIN/);
  await table.getByRole("button", { name: "delete key" }).waitFor();
  await page.getByLabel("Search").fill(order.id);
  await table.getByRole("button", { name: "ship order" }).waitFor();
  await table.getByRole("button", { name: "delete key" }).waitFor({ state: "detached" });
  await page.goto(`${URL_OF_SHOP}/console#/orders?id=${order.id}&open=${order.id}`);
  await page.getByRole("link", { name: "Who changed it" }).click();
  await heading("Audit log").waitFor();
  await table.getByRole("button", { name: "ship order" }).click();
  await table.getByRole("link", { name: "The order", exact: true }).click();
  await heading("Orders").waitFor();
});

test("health is shown, and keys lead everywhere", async () => {
  await page.keyboard.press("g");
  await page.keyboard.press("h");
  await heading("Health").waitFor();
  await page.getByText("Ready").waitFor();
  const processes = page.getByRole("table", { name: "Processes" });
  await processes.getByText("Up", { exact: true }).first().waitFor();
  const isCluster = (await processes.getByRole("row", { name: /^gateway Up/ }).count()) > 0;
  for (const part of ["gateway", "users", "products", "orders, payments", "events, mail"]) await processes.getByRole("row", { name: isCluster ? new RegExp(`^${part} Up`) : /gateway, users, products, orders, events, payments/ }).first().waitFor();
  await page.getByRole("cell", { name: /_count$/ }).first().waitFor();
  await inspect(page, "health");
  await page.keyboard.press("?");
  await dialog().getByText("search this list").waitFor();
  await page.keyboard.press("Escape");
  await dialog().waitFor({ state: "detached" });
  await page.keyboard.press("g");
  await page.keyboard.press("p");
  await heading("Products").waitFor();
});

test("a tab that is duplicated does not end the session of the first", async () => {
  const opened = page.waitForEvent("popup");
  await page.evaluate(() => void window.open("/console#/products"));
  const second = await opened;
  await second.getByRole("heading", { name: "Products", level: 1 }).waitFor();
  // The first renews what both began with, until the second has no token that would still do, unless it heard.
  for (const tab of [page, page, page, second, page]) {
    await tab.reload();
    await tab.getByRole("heading", { name: "Products", level: 1 }).waitFor();
  }
  await second.close();
});

test("a session outlives a reload, and ends when it is told to", async () => {
  await page.reload();
  await heading("Products").waitFor();
  await button("Sign out").click();
  await heading("Sign in to the console").waitFor();
  await page.reload();
  await heading("Sign in to the console").waitFor();
});

test("a second factor is set up, asked for, and given up", async () => {
  const sam = { username: "sam", password: "a seller's long phrase" };
  const anybody = new Shop({ baseUrl: URL_OF_SHOP });
  const made = await ask(registerUser({ client: anybody.client, body: sam }));
  await ask(updateUser({ client: admin.client, path: { id: made.id }, body: { version: made.version, role: "seller" } }));
  const signIn = async () => {
    await page.getByLabel("Username").fill(sam.username);
    await page.getByLabel("Password").fill(sam.password);
    await button("Sign in").click();
  };
  await signIn();
  await go("Account");
  await button("Set it up").click();
  await dialog().getByLabel("Your password").fill("something else");
  await button("Go on").click();
  await dialog().getByText("the password is wrong").waitFor();
  await dialog().getByLabel("Your password").fill(sam.password);
  await button("Go on").click();
  const secret = await dialog().getByText(/^[A-Z2-7]{32}$/).innerText();
  const codeOf = (when: string) => execFileSync("oathtool", ["--totp", "--base32", "--now", when, secret], { encoding: "utf8" }).trim();
  await inspect(page, "second-factor");
  // A code of the interval before is good in this one alone.
  while ((Date.now() / 1000) % 30 > 25) await page.waitForTimeout(200);
  await dialog().getByLabel("The code that it shows").fill(codeOf("now - 30 seconds"));
  await button("Confirm").click();
  await dialog().getByRole("listitem").first().waitFor();
  const recovery = await dialog().getByRole("listitem").allInnerTexts();
  expect(recovery).toHaveLength(10);
  await page.keyboard.press("Escape");
  await page.getByText("10 of your codes for recovery are left").waitFor();
  await inspect(page, "account");
  await button("Sign out").click();
  await signIn();
  await page.getByLabel("Code of your app").fill("000000");
  await button("Sign in").click();
  await page.getByText("The code is wrong").waitFor();
  await page.getByLabel("Code of your app").fill(codeOf("now"));
  await button("Sign in").click();
  await go("Account");
  await button("Give it up").click();
  await dialog().getByLabel("A code of your app").fill(recovery[0] as string);
  await dialog().getByRole("button", { name: "Give it up" }).click();
  await button("Set it up").waitFor();
  await button("Sign out").click();
});

test("a customer has no business here", async () => {
  await page.getByLabel("Username").fill("ada");
  await page.getByLabel("Password").fill("a tea drinker's phrase");
  await button("Sign in").click();
  await heading("The console is for the staff").waitFor();
  await button("Sign out").click();
});

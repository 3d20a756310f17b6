/** A merchant's day without a screen: what the console does with a mouse, a program does with this client. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  Shop,
  getOrder,
  isProblem,
  listOrders,
  listProducts,
  payOrder,
  placeOrder,
  registerUser,
  shipOrder,
  showStatistics,
  updateProduct,
  uploadPicture,
  writeProducts,
} from "../src/index.js";

const baseUrl = process.env["HOLDFAST_URL"] ?? "http://127.0.0.1:3000";
const password = process.env["HOLDFAST_ADMIN_PASSWORD"] ?? "";
/** Four pixels, as PNG. */
const DRAWING = "iVBORw0KGgoAAAANSUhEUgAAAAIAAAACCAIAAAD91JpzAAAAEUlEQVR4nGOI6rE5YWPDAKEAImQExZIO320AAAAASUVORK5CYII=";
const PATIENCE = 10_000;

/** What an operation answers with; fails with what the shop says instead. */
function good<T>({ data, error }: { data?: T | undefined; error?: unknown }): NonNullable<T> {
  assert.ok(data !== undefined && data !== null, JSON.stringify(error));
  return data;
}

test("from a catalogue with pictures to an order on its way, and the day's figures", async () => {
  const merchant = new Shop({ baseUrl });
  await merchant.signIn("admin", password);
  const client = merchant.client;

  const picture = good(await uploadPicture({ client, body: new Blob([Buffer.from(DRAWING, "base64")]) }));
  const product = (sku: string, name: string) => ({ sku, name, price: { amount: 900, currency: "CHF" as const }, quantity: 20, images: [{ url: picture.url }] });
  const run = crypto.randomUUID().slice(0, 8);
  const catalogue = [product(`DAY-${run}-1`, "Genmaicha"), product(`DAY-${run}-2`, "Hojicha")];
  const { results } = good(await writeProducts({ client, body: { mode: "atomic", items: catalogue } }));
  assert.deepEqual(results.map(({ status }) => status), [201, 201]);

  // The price is changed while somebody else changes the name: theirs stays, ours is added.
  const mine = good(await listProducts({ client, query: { sku: `DAY-${run}-1` } })).items[0]!;
  good(await updateProduct({ client, path: { id: mine.id }, body: { version: mine.version, name: "Genmaicha, roasted" } }));
  const stale = await updateProduct({ client, path: { id: mine.id }, body: { version: mine.version, price: { amount: 950, currency: "CHF" } } });
  assert.ok(isProblem(stale.error, "version-conflict"));
  const version = stale.error.currentVersion!;
  const merged = good(await updateProduct({ client, path: { id: mine.id }, body: { version, price: { amount: 950, currency: "CHF" } } }));
  assert.deepEqual([merged.name, merged.price.amount], ["Genmaicha, roasted", 950]);

  const before = good(await showStatistics({ client, query: { interval: "day" } })).total.orders;
  const customer = new Shop({ baseUrl });
  const username = `day${run}`;
  good(await registerUser({ client: customer.client, body: { username, password: "a tea drinker's phrase" } }));
  await customer.signIn(username, "a tea drinker's phrase");
  const items = [{ productId: mine.id, quantity: 2 }];
  const email = `${username}@example.org`;
  const placed = good(await placeOrder({ client: customer.client, body: { items, email, expectedTotal: { amount: 1900, currency: "CHF" } } }));

  // It arrives without anybody saying which.
  const patience = Date.now() + PATIENCE;
  let arrived: string | undefined;
  while (arrived === undefined) {
    assert.ok(Date.now() < patience, "the order does not arrive");
    const newest = good(await listOrders({ client, query: { status: "placed", limit: 10 } })).items;
    arrived = newest.find(({ number }) => number === placed.number)?.id;
  }
  good(await payOrder({ client, path: { id: arrived }, body: { reference: "transfer 17" } }));
  good(await shipOrder({ client, path: { id: arrived }, body: { carrier: "Swiss Post", trackingNumber: "99.1" } }));

  const found = good(await listOrders({ client, query: { email } })).items;
  assert.deepEqual(found.map(({ number, status }) => [number, status]), [[placed.number, "shipped"]]);
  assert.equal(good(await getOrder({ client: customer.client, path: { id: placed.id } })).trackingNumber, "99.1");
  const after = good(await showStatistics({ client, query: { interval: "day" } })).total.orders;
  // Other tests order in the same shop.
  assert.ok(after > before, `${before} orders before, ${after} after`);
});

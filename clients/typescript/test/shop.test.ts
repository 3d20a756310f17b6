/** Against a live shop: `./check` starts one and says in the environment where it is. */

import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { before, test } from "node:test";

import {
  Shop,
  createProduct,
  getOrder,
  getProduct,
  isProblem,
  items,
  listOrders,
  listProducts,
  pages,
  placeOrder,
  registerUser,
  updateProduct,
  type ProductView,
} from "../src/index.js";

const baseUrl = process.env["HOLDFAST_URL"] ?? "http://127.0.0.1:3000";
const password = process.env["HOLDFAST_ADMIN_PASSWORD"] ?? "";
const admin = new Shop({ baseUrl });

before(async () => {
  await admin.signIn("admin", password);
});

async function tea(quantity: number): Promise<ProductView> {
  const price = { amount: 450, currency: "EUR" } as const;
  const made = await createProduct({ client: admin.client, body: { name: "Sencha", price, quantity } });
  assert.equal(made.response?.status, 201, JSON.stringify(made.error));
  return made.data!;
}

async function customer(): Promise<Shop> {
  const username = `ada${crypto.randomUUID().slice(0, 8)}`;
  const shop = new Shop({ baseUrl });
  const registered = await registerUser({ client: shop.client, body: { username, password: "a long enough secret" } });
  assert.equal(registered.response?.status, 201, JSON.stringify(registered.error));
  await shop.signIn(username, "a long enough secret");
  return shop;
}

test("an order is placed, and a repeat under its key is the same order", async () => {
  const product = await tea(5);
  const { client } = await customer();
  const order = { client, body: { items: [{ productId: product.id, quantity: 2 }] }, headers: { "Idempotency-Key": crypto.randomUUID() } };
  const [first, again] = [await placeOrder(order), await placeOrder(order)];
  assert.equal(first.data?.status, "placed");
  assert.equal(first.data?.total.amount, 900);
  assert.equal(again.data?.id, first.data?.id);
  assert.equal(again.response?.headers.get("Idempotent-Replayed"), "true");
  const found = await getOrder({ client, path: { id: first.data!.id } });
  assert.equal(found.data?.number, first.data?.number);
});

test("too much is a typed 409 that says what is left", async () => {
  const product = await tea(1);
  const { client } = await customer();
  const { data, error } = await placeOrder({ client, body: { items: [{ productId: product.id, quantity: 2 }] } });
  assert.equal(data, undefined);
  // Without the check of the code, `items` would not compile.
  if (error?.code !== "insufficient-stock") assert.fail(JSON.stringify(error));
  assert.deepEqual(error.items.map((item) => [item.productId, item.available]), [[product.id, 1]]);
});

test("a stale edit is a typed conflict with what is current", async () => {
  const product = await tea(1);
  const edit = (version: number, name: string) =>
    updateProduct({ client: admin.client, path: { id: product.id }, body: { version, name } });
  assert.equal((await edit(product.version, "Gyokuro")).data?.name, "Gyokuro");
  const { error } = await edit(product.version, "Bancha");
  assert.ok(isProblem(error, "version-conflict"), JSON.stringify(error));
  assert.equal(error.currentVersion, product.version + 1);
  assert.equal(error.current && "name" in error.current && error.current.name, "Gyokuro");
});

test("lists are walked to their end", async () => {
  await Promise.all(Array.from({ length: 7 }, () => tea(1)));
  const names = new Set<string>();
  let count = 0;
  for await (const page of pages((cursor) => listProducts({ client: admin.client, query: { cursor, limit: 3 } }))) {
    assert.ok(page.items.length <= 3);
    count += 1;
  }
  for await (const product of items((cursor) => listProducts({ client: admin.client, query: { cursor, limit: 2 } }))) {
    names.add(product.id);
  }
  assert.ok(count >= 3 && names.size >= 7, `${count} pages, ${names.size} products`);
});

test("a session that has expired is renewed once, whoever needs it", async () => {
  let renewals = 0;
  const shop = await customer();
  const expired = { ...shop.session!, expiresAt: 0 };
  const again = new Shop({ baseUrl, session: expired, onSession: () => (renewals += 1) });
  const answers = await Promise.all([1, 2, 3].map(() => listOrders({ client: again.client })));
  assert.ok(answers.every((answer) => answer.data !== undefined), JSON.stringify(answers.map((answer) => answer.error)));
  assert.equal(renewals, 1);
  await again.signOut();
  assert.equal((await listOrders({ client: again.client })).error?.code, "unauthenticated");
});

test("what was not answered is sent again under the same key", async () => {
  const product = await tea(5);
  const { session } = await customer();
  const keys: (string | null)[] = [];
  // Sends, and loses the first two answers: one on the way, one as a 503.
  const lossy: typeof fetch = async (sent, init) => {
    const request = new Request(sent, init);
    keys.push(request.headers.get("Idempotency-Key"));
    const answer = await fetch(request);
    if (keys.length === 1) throw new TypeError("the connection broke");
    return keys.length === 2 ? new Response("{}", { status: 503, headers: { "Retry-After": "0" } }) : answer;
  };
  const shop = new Shop({ baseUrl, session, fetch: lossy });
  const placed = await placeOrder({ client: shop.client, body: { items: [{ productId: product.id, quantity: 1 }] } });
  assert.equal(placed.data?.status, "placed");
  assert.equal(keys.length, 3);
  assert.equal(new Set(keys).size, 1);
  assert.ok(keys[0]);
  const left = await getProduct({ client: shop.client, path: { id: product.id } });
  assert.equal(left.data?.available, 4, "one order, not three");
});

test("a login that asks for a proof of work is given one", async () => {
  const asked = { challenge: "AAABnOuzoYA", bits: 12 };
  const given: string[] = [];
  // Refuses the first attempt as a shop does whose name is being guessed at.
  const guarded: typeof fetch = async (sent, init) => {
    const request = new Request(sent, init);
    const body = (await request.clone().json()) as { password: string; proofOfWork?: { challenge: string; nonce: string } };
    if (body.proofOfWork !== undefined) {
      given.push(`${body.proofOfWork.challenge}:${body.proofOfWork.nonce}:${body.password}`);
      return fetch(new Request(request, { body: JSON.stringify({ ...body, proofOfWork: undefined }) }));
    }
    const problem = { code: "rate-limited", status: 429, retryAfter: 900, proofOfWork: asked };
    return new Response(JSON.stringify(problem), { status: 429, headers: { "Content-Type": "application/problem+json" } });
  };
  const session = await new Shop({ baseUrl, fetch: guarded }).signIn("admin", password);
  assert.equal(session.user.username, "admin");
  assert.equal(given.length, 1);
  const hash = createHash("sha256").update(given[0] ?? "").digest();
  assert.ok(hash.readUInt16BE() < 1 << 4, `12 zero bits: ${hash.toString("hex")}`);
  assert.ok(given[0]?.startsWith(`${asked.challenge}:`));
});

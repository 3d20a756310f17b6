/** Programs: an API key in a session's place. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Shop, createKey, createProduct, deleteKey, deleteRole, createRole, isProblem, listOrders, rotateKey } from "../src/index.js";

const baseUrl = process.env["HOLDFAST_URL"] ?? "http://127.0.0.1:3000";
const password = process.env["HOLDFAST_ADMIN_PASSWORD"] ?? "";

test("a program does what its key permits, and its refusals are typed", async () => {
  const merchant = new Shop({ baseUrl });
  await merchant.signIn("admin", password);
  assert.equal(merchant.session?.permissions.includes("keys:write"), true);
  const { data: key } = await createKey({ client: merchant.client, body: { name: "Reports", permissions: ["orders:read"] } });
  assert.ok(key?.key != null && key.key.startsWith(key.prefix));
  const program = new Shop({ baseUrl, apiKey: key.key });
  const { data } = await listOrders({ client: program.client });
  assert.ok(Array.isArray(data?.items));
  const body = { name: "Tea", price: { amount: 1, currency: "EUR" as const }, quantity: 1 };
  const { error } = await createProduct({ client: program.client, body });
  assert.ok(isProblem(error, "forbidden") && error.detail?.includes("products:write"));
  const { data: rotated } = await rotateKey({ client: merchant.client, path: { id: key.id }, body: { overlapSeconds: 60 } });
  const next = new Shop({ baseUrl, apiKey: rotated?.key ?? undefined });
  assert.equal((await listOrders({ client: next.client })).response?.status, 200);
  await deleteKey({ client: merchant.client, path: { id: key.id } });
});

test("a role's name is taken once", async () => {
  const merchant = new Shop({ baseUrl });
  await merchant.signIn("admin", password);
  const role = { client: merchant.client, body: { name: "clerk", permissions: ["orders:read" as const] } };
  assert.equal((await createRole(role)).data?.version, 1);
  assert.ok(isProblem((await createRole(role)).error, "role-taken"));
  assert.equal((await deleteRole({ client: merchant.client, path: { name: "clerk" } })).response?.status, 204);
});

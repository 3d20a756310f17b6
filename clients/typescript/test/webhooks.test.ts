/** Deliveries, judged by a library that nobody here wrote. */

import assert from "node:assert/strict";
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { test } from "node:test";

import { Webhook } from "standardwebhooks";

import { Shop, createProduct, createWebhook, deleteWebhook, rotateWebhookSecret } from "../src/index.js";

const baseUrl = process.env["HOLDFAST_URL"] ?? "http://127.0.0.1:3000";
const password = process.env["HOLDFAST_ADMIN_PASSWORD"] ?? "";
const endpoint = process.env["HOLDFAST_ENDPOINT"] ?? "127.0.0.1:3999";

interface Delivery {
  body: string;
  headers: Record<string, string>;
}

/** An endpoint that takes everything, and what it takes, one after the other. */
async function listen() {
  const heard: Delivery[] = [];
  let wake = () => {};
  const server = createServer(async (request, response) => {
    heard.push({ body: await text(request), headers: request.headers as Record<string, string> });
    response.writeHead(204).end();
    wake();
  });
  const [host, port] = endpoint.split(":");
  await new Promise<void>((resolve) => server.listen(Number(port), host, resolve));
  const next = async () => {
    while (heard.length === 0) await new Promise<void>((resolve) => (wake = resolve));
    return heard.shift()!;
  };
  return { next, close: () => server.close() };
}

test("the library of Standard Webhooks knows our deliveries, also during a rotation, and nothing else", async () => {
  const merchant = new Shop({ baseUrl });
  await merchant.signIn("admin", password);
  const { client } = merchant;
  const { next, close } = await listen();
  const made = await createWebhook({ client, body: { url: `http://${endpoint}/hooks`, types: ["product.created"] } });
  const { id, secret } = made.data!;
  const product = async (name: string) => {
    const { data } = await createProduct({ client, body: { name, price: { amount: 700, currency: "EUR" }, quantity: 1 } });
    return data!;
  };

  const first = await product("Assam");
  const delivered = await next();
  const event = new Webhook(secret!).verify(delivered.body, delivered.headers) as { type: string; subject: string; id: string };
  assert.deepEqual([event.type, event.subject, event.id], ["product.created", first.id, delivered.headers["webhook-id"]]);
  assert.throws(() => new Webhook(secret!).verify(delivered.body.replace("Assam", "Ceylon"), delivered.headers));
  assert.throws(() => new Webhook(secret!).verify(delivered.body, { ...delivered.headers, "webhook-timestamp": "1614265330" }));

  const rotated = await rotateWebhookSecret({ client, path: { id }, body: { overlapSeconds: 3600 } });
  await product("Ceylon");
  const both = await next();
  for (const known of [secret!, rotated.data!.secret!]) new Webhook(known).verify(both.body, both.headers);
  await deleteWebhook({ client, path: { id } });
  close();
});

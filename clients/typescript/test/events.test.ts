/** Following what happens: with this client, and with one that nobody here wrote. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { EventSource } from "eventsource";

import {
  Shop,
  createProduct,
  follow,
  getEvent,
  listEvents,
  placeOrder,
  ProblemError,
  registerUser,
  type ShopEvent,
} from "../src/index.js";

const baseUrl = process.env["HOLDFAST_URL"] ?? "http://127.0.0.1:3000";
const password = process.env["HOLDFAST_ADMIN_PASSWORD"] ?? "";

/** A merchant, and what orders something of theirs. */
async function open() {
  const merchant = new Shop({ baseUrl });
  await merchant.signIn("admin", password);
  const client = merchant.client;
  const product = await createProduct({ client, body: { name: "Assam", price: { amount: 700, currency: "EUR" }, quantity: 50 } });
  const order = async () => {
    const { data, error } = await placeOrder({ client, body: { items: [{ productId: product.data!.id, quantity: 1 }] } });
    assert.ok(data !== undefined, JSON.stringify(error));
    return data.id;
  };
  return { merchant, client, order };
}

test("a program follows orders, goes on after a break, and is told who may not", async () => {
  const { merchant, client, order } = await open();
  const over = new AbortController();
  const opened = new Promise<void>((resolve) => {
    void (async () => {
      for await (const event of follow(merchant, { types: ["order.*"], signal: over.signal, onOpen: resolve })) {
        heard.push(event);
        if (heard.length === 1) over.abort();
      }
      ended();
    })();
  });
  const heard: ShopEvent[] = [];
  let ended = () => {};
  const end = new Promise<void>((resolve) => (ended = resolve));
  await opened;
  const first = await order();
  await end;
  assert.deepEqual([heard[0]?.type, heard[0]?.subject], ["order.placed", first]);

  const missed = await order();
  const again = new AbortController();
  for await (const event of follow(merchant, { types: ["order.placed"], after: heard[0]!.position, signal: again.signal })) {
    assert.equal(event.subject, missed);
    const { data } = await getEvent({ client, path: { id: event.id } });
    assert.deepEqual(data, event);
    again.abort();
  }
  const { data: part } = await listEvents({ client, query: { subject: missed, types: "order.placed" } });
  assert.equal(part?.items.length, 1);

  const customer = new Shop({ baseUrl });
  const username = `listener${crypto.randomUUID().slice(0, 8)}`;
  await registerUser({ client: customer.client, body: { username, password: "a tea drinker's phrase" } });
  await customer.signIn(username, "a tea drinker's phrase");
  const refused = follow(customer).next();
  await assert.rejects(refused, (error) => error instanceof ProblemError && error.status === 403);
});

/** What comes of a body until `end`. */
function until(body: ReadableStream<Uint8Array>, end: Promise<unknown>): ReadableStream<Uint8Array> {
  const reader = body.getReader();
  return new ReadableStream({
    async pull(controller) {
      const some = await Promise.race([reader.read(), end]);
      if (typeof some === "object" && some !== null && "value" in some && some.value instanceof Uint8Array) {
        controller.enqueue(some.value);
      } else {
        controller.close();
        await reader.cancel();
      }
    },
  });
}

test("the npm package eventsource resumes our stream", async () => {
  const { merchant, order } = await open();
  const authorization = `Bearer ${merchant.session!.accessToken}`;
  const asked: (string | null)[] = [];
  let breakNow = () => {};
  const broken = new Promise<void>((resolve) => (breakNow = resolve));
  const source = new EventSource(`${baseUrl}/api/events/stream?types=order.placed`, {
    fetch: async (url, init) => {
      const headers = new Headers(init.headers);
      asked.push(headers.get("Last-Event-ID"));
      headers.set("Authorization", authorization);
      const answer = await fetch(url, { ...init, headers });
      return new Response(until(answer.body!, asked.length === 1 ? broken : new Promise(() => {})), answer);
    },
  });
  const next = () =>
    new Promise<ShopEvent>((resolve) => {
      const hear = ({ data, lastEventId }: MessageEvent) => {
        const event = JSON.parse(data as string) as ShopEvent;
        assert.equal(String(event.position), lastEventId);
        resolve(event);
      };
      source.addEventListener("message", hear, { once: true });
    });
  await new Promise((resolve) => source.addEventListener("open", resolve, { once: true }));
  const one = next();
  const first = await order();
  assert.equal((await one).subject, first);
  // The connection breaks, and while nobody listens something happens.
  const other = next();
  breakNow();
  const second = await order();
  assert.equal((await other).subject, second);
  source.close();
  assert.equal(asked.length, 2);
  assert.equal(asked[0], null);
  assert.ok(Number(asked[1]) > 0, "it says what it heard last");
});

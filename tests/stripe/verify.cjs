// Pays, captures, cancels and refunds by npm's stripe, loses answers on the way, and verifies what is delivered.

const assert = require("node:assert/strict");
const http = require("node:http");
const Stripe = require("stripe");

const { STRIPE_URL, STRIPE_ENDPOINT, STRIPE_KEY, STRIPE_WEBHOOK_SECRET } = process.env;
const { hostname: host, port } = new URL(STRIPE_URL);
const client = (key = STRIPE_KEY, maxNetworkRetries = 0) =>
  new Stripe(key, { host, port, protocol: "http", maxNetworkRetries, telemetry: false });
const stripe = client();
const card = { payment_method_types: ["card"] };
const heard = [];

const double = async (path, body) => {
  const answer = await fetch(`${STRIPE_URL}/double/${path}`, body && { method: "POST", body: JSON.stringify(body) });
  assert.equal(answer.status, 200, path);
  return answer.json();
};
const until = async (what, holds) => {
  for (let turn = 0; turn < 200; turn += 1) {
    const found = holds();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`there is no ${what}`);
};
const delivered = (type, id) =>
  until(`${type} of ${id}`, () => heard.find(({ event }) => event.type === type && event.data.object.id === id));

async function takes() {
  const made = await stripe.paymentIntents.create({
    amount: 1200, currency: "eur", ...card, metadata: { order: "7", shop: "tea & co" }, description: "Assam",
  });
  assert.equal(made.status, "requires_payment_method");
  assert.match(made.client_secret, new RegExp(`^${made.id}_secret_`));
  assert.match(made.lastResponse.requestId, /^req_/);
  assert.equal(made.lastResponse.apiVersion, Stripe.API_VERSION);
  const paid = await stripe.paymentIntents.confirm(made.id, { payment_method: "pm_card_visa" });
  assert.deepEqual([paid.status, paid.amount_received], ["succeeded", 1200]);
  const found = await stripe.paymentIntents.retrieve(made.id, { expand: ["latest_charge"] });
  assert.deepEqual({ ...found.metadata }, { order: "7", shop: "tea & co" });
  assert.deepEqual([found.latest_charge.object, found.latest_charge.amount_captured], ["charge", 1200]);
  const noted = await stripe.paymentIntents.update(made.id, { metadata: { order: "", table: "3" } });
  assert.deepEqual({ ...noted.metadata }, { shop: "tea & co", table: "3" });
  const unknown = stripe.paymentIntents.retrieve("pi_nobody");
  await assert.rejects(unknown, { type: "StripeInvalidRequestError", code: "resource_missing", statusCode: 404 });
  const list = await stripe.paymentIntents.list({ limit: 1 });
  assert.deepEqual([list.data.length, list.data[0].id], [1, made.id]);
  await delivered("payment_intent.created", made.id);
  await delivered("payment_intent.succeeded", made.id);
  return made.id;
}

async function reserves() {
  const reserve = () => stripe.paymentIntents.create({
    amount: 900, currency: "eur", capture_method: "manual", confirm: true, payment_method: "pm_card_visa",
    automatic_payment_methods: { enabled: true, allow_redirects: "never" },
  });
  const reserved = await reserve();
  assert.deepEqual([reserved.status, reserved.amount_capturable], ["requires_capture", 900]);
  const captured = await stripe.paymentIntents.capture(reserved.id, { amount_to_capture: 500 });
  assert.deepEqual([captured.status, captured.amount_received], ["succeeded", 500]);
  const state = { type: "StripeInvalidRequestError", code: "payment_intent_unexpected_state" };
  await assert.rejects(stripe.paymentIntents.capture(reserved.id), (error) => {
    assert.equal(error.payment_intent.id, reserved.id);
    return error.type === state.type && error.code === state.code;
  });
  const released = await reserve();
  const reason = { cancellation_reason: "requested_by_customer" };
  const cancelled = await stripe.paymentIntents.cancel(released.id, reason);
  assert.deepEqual([cancelled.status, cancelled.cancellation_reason], ["canceled", "requested_by_customer"]);
  assert.ok(cancelled.canceled_at >= cancelled.created);
  await assert.rejects(stripe.paymentIntents.cancel(released.id), state);
  const lapsed = await reserve();
  await double(`intents/${lapsed.id}/lapse`, {});
  await assert.rejects(stripe.paymentIntents.capture(lapsed.id), state);
  await delivered("payment_intent.amount_capturable_updated", reserved.id);
  await delivered("payment_intent.canceled", lapsed.id);
}

async function declines() {
  const intent = await stripe.paymentIntents.create({ amount: 700, currency: "eur", ...card });
  const confirm = (token) => stripe.paymentIntents.confirm(intent.id, { payment_method: token });
  await assert.rejects(confirm("pm_card_chargeDeclined"), (error) => {
    assert.ok(error instanceof Stripe.errors.StripeCardError);
    assert.deepEqual([error.statusCode, error.code, error.decline_code], [402, "card_declined", "generic_decline"]);
    assert.equal(error.payment_intent.status, "requires_payment_method");
    return error.payment_intent.last_payment_error.code === "card_declined";
  });
  const asked = await confirm("pm_card_authenticationRequired");
  assert.deepEqual([asked.status, asked.next_action.type], ["requires_action", "use_stripe_sdk"]);
  await double(`intents/${intent.id}/confirm`, { outcome: "succeed" });
  assert.equal((await stripe.paymentIntents.retrieve(intent.id)).status, "succeeded");
  await delivered("payment_intent.payment_failed", intent.id);
  await delivered("payment_intent.requires_action", intent.id);
}

async function refunds(intent) {
  const refund = (amount) => stripe.refunds.create({ payment_intent: intent, amount });
  const ids = [];
  for (const amount of [100, 200, 300]) ids.unshift((await refund(amount)).id);
  const listed = [];
  for await (const each of stripe.refunds.list({ payment_intent: intent, limit: 2 })) listed.push(each.id);
  assert.deepEqual(listed, ids);
  assert.equal((await stripe.refunds.retrieve(ids[0])).status, "succeeded");
  await assert.rejects(refund(601), /Refund amount \(€6.01\) is greater than unrefunded amount on charge \(€6.00\)/);
  assert.equal((await stripe.refunds.create({ payment_intent: intent, reason: "duplicate" })).amount, 600);
  await assert.rejects(refund(1), { type: "StripeInvalidRequestError", code: "charge_already_refunded" });
  await double(`refunds/${ids[0]}`, { status: "failed" });
  const charge = (await stripe.paymentIntents.retrieve(intent)).latest_charge;
  assert.equal((await stripe.charges.retrieve(charge)).amount_refunded, 900);
  await delivered("refund.created", ids[0]);
  await delivered("refund.failed", ids[0]);
  await delivered("charge.refunded", charge);
}

async function keys() {
  const intent = { amount: 300, currency: "eur", ...card };
  const options = { idempotencyKey: "order 7" };
  const first = await stripe.paymentIntents.create(intent, options);
  const again = await stripe.paymentIntents.create(intent, options);
  assert.deepEqual([again.id, again.lastResponse.headers["idempotent-replayed"]], [first.id, "true"]);
  assert.equal(first.lastResponse.headers["idempotent-replayed"], undefined);
  const other = stripe.paymentIntents.create({ ...intent, amount: 301 }, options);
  await assert.rejects(other, { type: "StripeIdempotencyError", rawType: "idempotency_error", statusCode: 400 });

  await double("faults", { latency_ms: 500 });
  const twice = [1, 2].map(() => stripe.paymentIntents.create(intent, { idempotencyKey: "at once" }));
  const settled = await Promise.allSettled(twice);
  const refused = settled.filter(({ status }) => status === "rejected");
  assert.equal(refused.length, 1);
  assert.deepEqual([refused[0].reason.statusCode, refused[0].reason.code], [409, "idempotency_key_in_use"]);

  // The client tries once more by itself when a connection closes.
  await double("faults", { next: ["request_lost", "request_lost"] });
  await assert.rejects(stripe.paymentIntents.create(intent, { idempotencyKey: "lost" }), { type: "StripeConnectionError" });
  await double("faults", { next: ["answer_lost", "unavailable"] });
  const before = (await double("books")).intents.length;
  const retried = await client(STRIPE_KEY, 3).paymentIntents.create(intent);
  const books = await double("books");
  assert.deepEqual([books.intents.length, books.intents.at(-1).id], [before + 1, retried.id], "one effect, three attempts");
  await double("faults", { next: ["rate_limited"] });
  await assert.rejects(stripe.paymentIntents.create(intent), { type: "StripeRateLimitError" });
  await double("faults", { next: ["error_after_effect"] });
  const failure = client(STRIPE_KEY, 3).paymentIntents.create(intent);
  await assert.rejects(failure, { type: "StripeAPIError", statusCode: 500 });
  assert.equal((await double("books")).intents.length, before + 2);
}

async function refuses() {
  const strange = { type: "StripeAuthenticationError", statusCode: 401 };
  await assert.rejects(client("sk_test_coffee").paymentIntents.list(), strange);
  const create = (params) => stripe.paymentIntents.create(params);
  const invalid = (code, param) => ({ type: "StripeInvalidRequestError", code, param });
  await assert.rejects(create({ amount: 1 }), invalid("parameter_missing", "currency"));
  await assert.rejects(create({ amount: 1, currency: "eur", colour: "red" }), invalid("parameter_unknown", "colour"));
  await assert.rejects(create({ amount: 100000000, currency: "eur" }), invalid("amount_too_large", "amount"));
}

function verifies() {
  assert.ok(heard.length > 10);
  const { body, signature } = heard[0];
  const construct = (text, header = signature) => stripe.webhooks.constructEvent(text, header, STRIPE_WEBHOOK_SECRET);
  assert.equal(construct(body).object, "event");
  const changed = Buffer.from(body);
  changed[changed.length >> 1] ^= 1;
  assert.throws(() => construct(changed.toString()), { type: "StripeSignatureVerificationError" });
  const other = () => stripe.webhooks.constructEvent(body, signature, "whsec_coffee");
  assert.throws(other, { type: "StripeSignatureVerificationError" });
  const timestamp = Number(/t=(\d+)/.exec(signature)[1]);
  const header = stripe.webhooks.generateTestHeaderString({ payload: body, secret: STRIPE_WEBHOOK_SECRET, timestamp });
  assert.equal(header, signature, "signed as the client signs");
}

async function main() {
  const server = http.createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const body = Buffer.concat(chunks).toString();
      const signature = request.headers["stripe-signature"];
      heard.push({ body, signature, event: stripe.webhooks.constructEvent(body, signature, STRIPE_WEBHOOK_SECRET) });
      response.end();
    });
  });
  const [address, endpoint] = STRIPE_ENDPOINT.split(":");
  await new Promise((resolve) => server.listen(Number(endpoint), address, resolve));
  const intent = await takes();
  await reserves();
  await declines();
  await refunds(intent);
  await keys();
  await refuses();
  verifies();
  await double("faults", {});
  await double("webhook", {});
  server.close();
  server.closeAllConnections();
  console.log(`stripe (npm) ${Stripe.PACKAGE_VERSION} takes the double for Stripe`);
}

main().then(() => process.exit(0), (error) => { console.error(error); process.exit(1); });

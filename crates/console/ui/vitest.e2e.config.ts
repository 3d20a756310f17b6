import config from "./vite.config.ts";

/** What wants a shop that takes payments, or that sends letters, is tested on one; all the rest, on one that does neither. */
const PAYMENTS = "e2e/payments.test.ts";
const LETTERS = "e2e/letters.test.ts";

function chosen() {
  if (process.env["HOLDFAST_PAYMENTS"] === "test") return { include: [PAYMENTS] };
  if (process.env["HOLDFAST_MAILBOX"]) return { include: [LETTERS] };
  return { include: ["e2e/**/*.test.ts"], exclude: [PAYMENTS, LETTERS] };
}
const files = chosen();

// Stories: their parts come one after the other, and the rest of one means nothing once a part has failed.
export default {
  ...config,
  test: { ...files, fileParallelism: false, bail: 1, testTimeout: 60_000, hookTimeout: 30_000 },
};

import config from "./vite.config.ts";

/** What wants a shop that takes payments is tested on one; all the rest, on one that does not. */
const PAYMENTS = "e2e/payments.test.ts";
const files = process.env["HOLDFAST_PAYMENTS"] === "test" ? { include: [PAYMENTS] } : { include: ["e2e/**/*.test.ts"], exclude: [PAYMENTS] };

// Stories: their parts come one after the other, and the rest of one means nothing once a part has failed.
export default {
  ...config,
  test: { ...files, fileParallelism: false, bail: 1, testTimeout: 60_000, hookTimeout: 30_000 },
};

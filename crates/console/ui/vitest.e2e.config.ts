import config from "./vite.config.ts";

// Stories: their parts come one after the other, and the rest of one means nothing once a part has failed.
export default {
  ...config,
  test: { include: ["e2e/**/*.test.ts"], fileParallelism: false, bail: 1, testTimeout: 60_000, hookTimeout: 30_000 },
};

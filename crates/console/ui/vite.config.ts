import { svelte } from "@sveltejs/vite-plugin-svelte";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));

// Names of files do not change from build to build, and nothing is inlined: `default-src 'self'` permits files alone.
export default defineConfig({
  plugins: [svelte()],
  base: "/assets/",
  resolve: { alias: { "holdfast-client": here("../../../clients/typescript/src/index.ts") } },
  build: {
    outDir: "../dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    target: "es2022",
    rolldownOptions: {
      input: { console: here("console.html"), shop: here("shop.html"), docs: here("docs.html") },
      output: {
        entryFileNames: "[name].js",
        chunkFileNames: "[name].js",
        assetFileNames: "[name][extname]",
        // What both pages load is one file.
        codeSplitting: { groups: [{ name: "shared", test: /node_modules(?!.uplot)|clients.typescript|src.(shared|styles)/ }] },
      },
    },
  },
  server: { proxy: Object.fromEntries(["/api", "/readyz", "/metrics"].map((path) => [path, process.env["HOLDFAST_URL"] ?? "http://127.0.0.1:3000"])) },
  test: { include: ["test/**/*.test.ts"] },
});

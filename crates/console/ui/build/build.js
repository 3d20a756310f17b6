// Builds the screens into a folder, `../dist` unless another is named. The tea shop's catalogue lies beside the console, and each
// text is there a second and a third time, compressed as far as it goes, so that the shop sends what a browser takes.
import { copyFileSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const outDir = process.argv[2] === undefined ? here("../../dist") : resolve(process.argv[2]);
await build({ root: here(".."), build: { outDir } });

const folder = pathToFileURL(`${outDir}/`);
copyFileSync(here("../../../../examples/teashop.csv"), new URL("teashop.csv", folder));
for (const name of readdirSync(folder)) {
  const text = readFileSync(new URL(name, folder));
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: text.length } };
  writeFileSync(new URL(`${name}.br`, folder), brotliCompressSync(text, brotli));
  writeFileSync(new URL(`${name}.gz`, folder), gzipSync(text, { level: 9 }));
}

// Builds the screens into a folder, `../dist` unless another is named. The tea shop's catalogue lies beside the console, and each
// text is there a second and a third time, compressed as far as it goes, so that the shop sends what a browser takes.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";
import { build } from "vite";

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const outDir = process.argv[2] === undefined ? here("../../dist") : resolve(process.argv[2]);
await build({ root: here(".."), build: { outDir } });

/** The viewer of `/docs`: one file of a package whose other files, and whose dependencies, the page does without. */
const VIEWER = "@scalar/api-reference@1.46.4";
const VIEWER_FILE = "package/dist/browser/standalone.js";
const VIEWER_SHA512 = "EpCcOG15Ry8DKNs/f5AdRA97s1B5kGPekzANpnK0j1IpyU4Sb/mfdyfB00WC+vUo7hfc4BFRSkkiPa5SSM7fng==";

function viewer() {
  const there = mkdtempSync(`${tmpdir()}/viewer-`);
  try {
    const name = execFileSync("npm", ["pack", "--silent", VIEWER], { cwd: there, encoding: "utf8" }).trim();
    const hash = createHash("sha512").update(readFileSync(`${there}/${name}`)).digest("base64");
    if (hash !== VIEWER_SHA512) throw new Error(`${VIEWER} is not what it was`);
    execFileSync("tar", ["xzf", name, VIEWER_FILE], { cwd: there });
    return readFileSync(`${there}/${VIEWER_FILE}`);
  } finally {
    rmSync(there, { recursive: true });
  }
}

const folder = pathToFileURL(`${outDir}/`);
writeFileSync(new URL("scalar.js", folder), viewer());
copyFileSync(here("../../../../examples/teashop.csv"), new URL("teashop.csv", folder));
for (const name of readdirSync(folder)) {
  const text = readFileSync(new URL(name, folder));
  const brotli = { params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: text.length } };
  writeFileSync(new URL(`${name}.br`, folder), brotliCompressSync(text, brotli));
  writeFileSync(new URL(`${name}.gz`, folder), gzipSync(text, { level: 9 }));
}

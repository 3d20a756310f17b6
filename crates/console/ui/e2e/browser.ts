/** A browser on a shop, and what every screen is held to. */

import { readFileSync } from "node:fs";
import axe from "axe-core";
import { chromium, type Browser, type Page } from "playwright-core";
import { expect } from "vitest";

/** The shop under test. */
export const URL_OF_SHOP = process.env["HOLDFAST_URL"] ?? "http://127.0.0.1:3000";
export const PASSWORD = process.env["HOLDFAST_ADMIN_PASSWORD"] ?? "";
/** Where pictures of the screens go, if anywhere. */
const PICTURES = process.env["HOLDFAST_PICTURES"];

const OPTIONS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

/** The program must carry the screens that are tested, and not those of before. */
async function carriesTheseScreens(): Promise<void> {
  for (const name of ["console.html", "console.js", "console.css", "shop.html", "shop.js", "shared.js", "docs.html", "docs.js", "scalar.js"]) {
    const sent = await (await fetch(`${URL_OF_SHOP}/assets/${name}`)).text();
    if (sent !== readFileSync(new URL(`../../dist/${name}`, import.meta.url), "utf8")) throw new Error(`the program has another ${name}: cargo build`);
  }
}

export async function browser(): Promise<Browser> {
  await carriesTheseScreens();
  return chromium.launch({ executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium", args: OPTIONS });
}

/** A page of its own that fails the test when something goes wrong in it. */
export async function page(of: Browser): Promise<{ page: Page; complaints: string[] }> {
  const context = await of.newContext({ viewport: { width: 1280, height: 900 }, locale: "en-US" });
  const page = await context.newPage();
  page.setDefaultTimeout(15_000);
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("console", (message) => {
    // A refusal that a test provokes is written there too.
    const isRefusal = message.text().startsWith("Failed to load resource");
    if (["error", "warning"].includes(message.type()) && !isRefusal) complaints.push(message.text());
  });
  return { page, complaints };
}

/** A picture of the screen, where somebody wants some. */
export async function picture(page: Page, name: string): Promise<void> {
  if (PICTURES !== undefined) await page.screenshot({ path: `${PICTURES}/${name}.png` });
}

/** No serious finding of axe-core, in light and dark and at each width; a picture of each. */
export async function inspect(page: Page, name: string): Promise<void> {
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    for (const [width, height] of [[390, 844], [1280, 900], [1920, 1080]] as const) {
      await page.setViewportSize({ width, height });
      await picture(page, `${name}-${width}-${colorScheme}`);
      const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
      expect(overflow, `${name} is wider than ${width} px`).toBeLessThanOrEqual(0);
    }
    await page.evaluate(axe.source);
    const { violations } = await page.evaluate(() =>
      (window as unknown as { axe: typeof axe }).axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"] }),
    );
    const found = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
    const told = found.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html} ${node.failureSummary ?? ""}`));
    expect(told, `${name}, ${colorScheme}`).toEqual([]);
  }
  await page.emulateMedia({ colorScheme: "light" });
  await page.setViewportSize({ width: 1280, height: 900 });
}

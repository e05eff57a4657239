// Debian's Chromium, with a profile of its own, and pages that notice what should not happen in them.
import assert from "node:assert/strict";
import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const args = [
  "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
  "--disable-background-networking", "--disable-component-update", "--disable-sync",
];

// What SDKs look for at every start and this server does not have: browsers report every answer of 404.
const lookedForInVain = /\/room_keys\/version$|\/org\.matrix\.msc4143\/rtc\/transports$/;

export async function startBrowser() {
  const browser = await chromium.launch({ executablePath, args });
  return { open, stop: () => browser.close() };

  async function open(url, { width = 1280, height = 900, ...options } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, ...options });
    const page = await context.newPage();
    page.setDefaultTimeout(60_000);
    const problems = [];
    const elsewhere = [];
    const watch = { mayBeRefused: false, mayBeUnknown: false }; // what is normal around a restart
    page.on("pageerror", (error) => problems.push(error.stack));
    page.on("console", (message) => {
      const text = message.text();
      const { url: where } = message.location();
      if (message.type() !== "error" && message.type() !== "warning") return;
      if (lookedForInVain.test(where) && text.includes("404")) return;
      if (watch.mayBeRefused && text.includes("net::ERR_")) return;
      if (watch.mayBeUnknown && text.includes("401")) return;
      problems.push(`${text} (${where})`);
    });
    context.on("request", (request) => {
      if (new URL(request.url()).origin !== url) elsewhere.push(request.url());
    });
    await page.goto(url);
    return { page, watch, close };

    // Every test ends with this.
    async function close() {
      await context.close();
      assert.deepEqual(problems, []);
      assert.deepEqual(elsewhere, []);
    }
  }
}

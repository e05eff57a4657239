// For whom the page is: those with a phone, a keyboard, a screen reader, a dark room.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { useTrial } from "./support/trial.js";

const open = useTrial();
const axe = await readFile(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");

for (const width of [320, 360, 700, 900]) {
  test(`At a width of ${width} nothing has to be scrolled sideways`, async () => {
    const trial = await open({ width, height: 740 });
    assert.equal(await overflow(trial), 0);
    const [phone, laptop] = await trial.begin("One user, two devices");
    await phone.send("x".repeat(200), { encrypted: false });
    await laptop.card.locator(".received .text").waitFor();
    await phone.button("Verify").click();
    await laptop.button("Accept").click();
    for (const device of [phone, laptop]) await device.emoji();
    assert.equal(await overflow(trial), 0);
  });
}

test("On a phone the devices are below each other, on a desk side by side", async () => {
  for (const [width, isBeside] of [[390, false], [1280, true]]) {
    const trial = await open({ width, height: 800 });
    const [one, other] = await Promise.all((await trial.begin("Two users")).map(({ card }) => card.boundingBox()));
    assert.equal(one.y === other.y && one.x < other.x, isBeside);
  }
});

for (const colorScheme of ["light", "dark"]) {
  test(`Names, roles and contrasts are as they should be, ${colorScheme}`, async () => {
    const trial = await open({ colorScheme, reducedMotion: "reduce" });
    assert.deepEqual(await violations(trial), []);
    const [phone, laptop] = await trial.begin("One user, two devices");
    await trial.page.getByText("Add a device yourself").click();
    await phone.flip("Lose the next answer");
    await phone.send("Hello");
    await laptop.receivedUntil("Hello");
    await phone.outcome("loseAnswer", "Delivered to LAPTOP once.");
    await laptop.flip("Cut the device off");
    await phone.send("waits");
    await laptop.inbox(/1 waiting/);
    assert.deepEqual(await violations(trial), []);
    await laptop.flip("Cut the device off");
    await laptop.receivedUntil("waits");
    await phone.button("Verify").click();
    await laptop.button("Accept").click();
    for (const device of [phone, laptop]) await device.emoji();
    assert.deepEqual(await violations(trial), []);
  });
}

test("Everything works from the keyboard", async () => {
  const trial = await open();
  const { keyboard } = trial.page;
  await tabTo(trial, "button", "Two users");
  await keyboard.press("Enter");
  const laptop = trial.page.locator("#device-B");
  await laptop.getByRole("button", { name: "Verify" }).waitFor();

  await tabTo(trial, "input", "Hello");
  await keyboard.type("From the keyboard");
  await keyboard.press("Enter");
  await laptop.locator(".received .text", { hasText: "From the keyboard" }).waitFor();

  await tabTo(trial, "button", "Verify LAPTOP");
  await keyboard.press("Enter");
  await laptop.getByRole("button", { name: "Accept" }).waitFor();
  await tabTo(trial, "button", "Accept");
  await keyboard.press("Enter");
  await laptop.locator(".emoji").waitFor();
  await tabTo(trial, "button", "They match");
  await keyboard.press("Space");

  await tabTo(trial, "input", "B-cutOff");
  await keyboard.press("Space");
  await laptop.getByText("cut off", { exact: true }).waitFor();
});

test("A user and a device of one's own choice are registered, logged out, and logged in again", async () => {
  const trial = await open();
  const { page } = trial;
  await page.getByText("Add a device yourself").click();
  const form = page.locator("#add-form");
  await form.getByLabel("User name").fill("carol");
  await form.getByLabel("Password").fill("correct horse");
  await form.getByLabel("Device ID").fill("WATCH");
  await form.getByRole("button", { name: "Register" }).click();
  await page.locator("#device-A[data-state=connected]").getByText("Verified by its user").waitFor();
  await page.getByRole("button", { name: "Log out" }).click();
  await page.locator("#device-A").waitFor({ state: "detached" });
  await form.getByRole("button", { name: "Log in" }).click();
  await page.locator("#device-A[data-state=connected]").getByText("Not verified").waitFor();
});

test("A third device of the user logs in, is verified, and gets what is sent to all", async () => {
  const trial = await open();
  const [phone, laptop] = await trial.begin("One user, two devices");
  await trial.page.getByText("Add a device yourself").click();
  await trial.page.locator("#add-form").getByRole("button", { name: "Log in" }).click();
  const tablet = trial.device("C");
  await tablet.button("Verify PHONE").waitFor();
  await phone.button("Verify TABLET").click();
  await tablet.button("Accept").click();
  assert.deepEqual(await tablet.emoji(), await phone.emoji());
  for (const device of [phone, tablet]) await device.button("They match").click();
  await tablet.says("Verified by its user");

  await phone.card.getByLabel("To").selectOption("all of them");
  await phone.send("to all");
  for (const device of [laptop, tablet]) assert.deepEqual(await device.receivedUntil("to all"), ["to all"]);
  await phone.says("delivered to LAPTOP, once");
  await phone.says("delivered to TABLET, once");
});

async function overflow({ page }) {
  return page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
}

// As axe sees them, each in one line.
async function violations({ page }) {
  await page.evaluate(axe);
  const found = await page.evaluate(() => axe.run());
  return found.violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join("; ")}`);
}

// Presses Tab until an element has the focus whose text, value or ID is this.
async function tabTo({ page }, tag, what) {
  for (let i = 0; i < 100; i++) {
    await page.keyboard.press("Tab");
    const found = await page.evaluate(({ tag, what }) => {
      const { localName, id, value, textContent } = document.activeElement;
      return localName === tag && (id === what || value === what || textContent.trim().startsWith(what));
    }, { tag, what });
    if (found) return;
  }
  assert.fail(`Tab does not get to ${what}.`);
}

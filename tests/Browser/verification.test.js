// Two devices show the same emoji, and trust each other from then on.
import assert from "node:assert/strict";
import { test } from "node:test";
import { useTrial } from "./support/trial.js";

const open = useTrial();

test("Two devices of one user verify each other by emoji, and the second asks for the secrets and gets them", async () => {
  const trial = await open();
  const [phone, laptop] = await trial.begin("One user, two devices");
  await laptop.says("holds no secrets");
  await verify(phone, laptop);
  await phone.says("LAPTOP is verified");
  await laptop.says("PHONE is verified");
  await laptop.says("it now has those of the identity");
  await laptop.says("Verified by its user");
  await laptop.says("holds the secrets of its user’s identity");
  await laptop.card.locator(".received code", { hasText: "m.secret.send" }).first().waitFor();
});

test("Two users verify each other by emoji", async () => {
  const trial = await open();
  const [phone, laptop] = await trial.begin("Two users");
  await verify(laptop, phone);
  await phone.says("LAPTOP is verified");
  await laptop.says("PHONE is verified");
});

test("When somebody says that the emoji differ, nobody is verified", async () => {
  const trial = await open();
  const [phone, laptop] = await trial.begin("Two users");
  await compare(phone, laptop);
  await phone.button("They do not match").click();
  for (const device of [phone, laptop]) {
    await device.says("The verification was cancelled (m.mismatched_sas)");
    await device.button("Verify").waitFor();
  }
});

test("A request can be declined", async () => {
  const trial = await open();
  const [phone, laptop] = await trial.begin("Two users");
  await phone.button("Verify").click();
  await laptop.button("Decline").click();
  await phone.says("The verification was cancelled (m.user)");
});

async function verify(asking, asked) {
  await compare(asking, asked);
  await asking.button("They match").click();
  await asked.button("They match").click();
  for (const device of [asking, asked]) await device.says("Verified: both saw the same emoji.");
}

async function compare(asking, asked) {
  await asking.button("Verify").click();
  await asked.button("Accept").click();
  const emoji = await asking.emoji();
  assert.equal(emoji.length, 7);
  assert.deepEqual(await asked.emoji(), emoji);
}

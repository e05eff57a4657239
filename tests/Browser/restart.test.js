// The server stops and starts again, by a button of the page.
import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { useTrial } from "./support/trial.js";

describe("on SQLite", () => {
  const open = useTrial();

  test("A restart loses nothing: what waited is delivered, once, and the page shows it (R50)", async () => {
    const trial = await open();
    const [phone, laptop] = await trial.begin("Two users");
    await phone.send("before");
    await laptop.receivedUntil("before");
    await laptop.flip("Cut the device off");
    await phone.send("waits");
    await laptop.inbox(/1 waiting/);

    await restart(trial);
    await trial.page.locator("#restart-happened", { hasText: "PHONE 0 → 0, LAPTOP 1 → 1. Nothing is lost." }).waitFor();
    await laptop.inbox(/1 waiting/);
    await laptop.flip("Cut the device off");
    await phone.send("after");
    assert.deepEqual(await laptop.receivedUntil("after"), ["before", "waits", "after"]);
  });

  test("In the middle of many messages, a restart loses none and doubles none", async () => {
    const trial = await open();
    await trial.begin("Two users");
    const form = trial.page.locator("#throughput-form");
    await form.getByLabel("messages").fill("400");
    await form.getByRole("button").click();
    await trial.page.locator("#throughput-status", { hasText: /^[1-9]\d* of 400 sent/ }).waitFor();
    await restart(trial);
    await trial.page.locator("#throughput-status", { hasText: "400 messages sent, 400 delivered, 0 lost, 0 doubled" }).waitFor();
  });
});

describe("in memory", () => {
  const open = useTrial({ Store: "memory" });

  test("A restart loses everything, as the page says before and after", async () => {
    const trial = await open();
    trial.watch.mayBeUnknown = true;
    await trial.page.getByText("a restart loses accounts, devices and messages").waitFor();
    const devices = await trial.begin("Two users");
    await restart(trial);
    await trial.page.locator("#restart-happened", { hasText: "they are gone" }).waitFor();
    for (const device of devices) await device.says("The server does not know this device any more.");
  });
});

async function restart(trial) {
  trial.watch.mayBeRefused = true;
  await trial.page.getByRole("button", { name: "Restart the server" }).click();
  await trial.page.locator("#restart-happened", { hasText: "Restarted in" }).waitFor();
}

// The switches: what they break, what the page tells about it, and that every message comes once.
import assert from "node:assert/strict";
import { test } from "node:test";
import { useTrial } from "./support/trial.js";

const open = useTrial();

for (const encrypted of [true, false]) {
  const kind = encrypted ? "An encrypted" : "A plain";
  test(`${kind} message whose answer is lost is sent again in the same transaction, and delivered once (R40, R41)`, async () => {
    const trial = await open();
    const [phone, laptop] = await trial.begin("Two users");
    const sends = sendsOf(trial.page);
    await phone.flip("Lose the next answer");
    await phone.outcome("loseAnswer", "The next send gets through");
    await phone.send("once", { encrypted });
    await phone.outcome("loseAnswer", /^Reached the server \(200\), answer lost\. Sent again after .*, same transaction ID: 200\. Delivered to LAPTOP once\.$/);
    assert.equal(sends.length, 2);
    assert.equal(sends[0], sends[1]);
    await onlyThese(["once"], phone, laptop);
  });
}

test("A message that is sent twice at the same time is delivered once (R41)", async () => {
  const trial = await open();
  const [phone, laptop] = await trial.begin("Two users");
  const sends = sendsOf(trial.page);
  await phone.flip("Send the next one twice");
  await phone.send("once");
  await phone.outcome("duplicate", "Sent twice, answered 200 and 200. Delivered to LAPTOP once.");
  assert.equal(sends.length, 2);
  assert.equal(sends[0], sends[1]);
  await onlyThese(["once"], phone, laptop);
});

test("A message whose delivery is lost stays in the inbox and comes again, once (R52, R56)", async () => {
  const trial = await open();
  const [phone, laptop] = await trial.begin("Two users");
  await laptop.flip("Lose the next delivery");
  await phone.send("once");
  await laptop.outcome("loseDelivery", "Lost once. The same sync, sent again, brought the same 1 message.");
  await onlyThese(["once"], phone, laptop);
});

test("A device that is cut off finds everything when it is back, and loses nothing of what it sent (R50, R51)", async () => {
  const trial = await open();
  const [phone, laptop] = await trial.begin("Two users");
  await phone.send("before");
  await laptop.receivedUntil("before");
  await laptop.flip("Cut the device off");
  await phone.send("one");
  await phone.send("two", { encrypted: false });
  await laptop.inbox(/2 waiting · 0 handed out/);
  await laptop.send("from afar", { encrypted: false });
  await laptop.card.getByText("cut off, not sent").waitFor();
  assert.equal(await laptop.card.locator(".received .text", { hasText: /one|two/ }).count(), 0);

  await laptop.flip("Cut the device off");
  await laptop.outcome("cutOff", "2 messages had waited in its inbox, and came with the first sync.");
  await onlyThese(["before", "one", "two"], phone, laptop);
  await onlyThese(["from afar"], laptop, phone);
  await laptop.inbox(/0 waiting · 0 handed out/);
});

test("Many messages come once each, while answers get lost, and are plotted", async () => {
  const trial = await open();
  const [phone] = await trial.begin("Two users");
  const form = trial.page.locator("#throughput-form");
  await form.getByLabel("messages").fill("200");
  await phone.flip("Lose the next answer");
  await form.getByRole("button").click();
  await trial.page.locator("#throughput-status", { hasText: "200 messages sent, 200 delivered, 0 lost, 0 doubled" }).waitFor();
  assert.equal(await trial.page.locator("#plot .dot").count(), 200);
});

// The paths of the sends that leave the page.
function sendsOf(page) {
  const paths = [];
  page.on("request", (request) => {
    const { pathname } = new URL(request.url());
    if (request.method() === "PUT" && /\/(org\.example\.message|m\.room\.encrypted)\/m/.test(pathname)) paths.push(pathname);
  });
  return paths;
}

// Whatever else was on its way came before a last message.
async function onlyThese(texts, from, to) {
  await from.send("last");
  assert.deepEqual(await to.receivedUntil("last"), [...texts, "last"]);
}

// What an application sees on a good day: matrix-js-sdk sends, matrix-js-sdk receives.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { everyDeviceOf, login, register, start } from "./support/clients.js";
import { startHomeserver } from "./support/homeserver.js";

const type = "org.example.greeting";
let homeserver, alice, bob1, bob2;

before(async () => {
  homeserver = await startHomeserver();
  alice = await start(homeserver, await register(homeserver, "alice", "ALICE1"));
  bob1 = await start(homeserver, await register(homeserver, "bob", "BOB1"));
  bob2 = await start(homeserver, await login(homeserver, "bob", "BOB2"));
});

after(async () => {
  [alice, bob1, bob2].forEach((device) => device?.stop());
  await homeserver?.stop();
});

test("A message for one device reaches that device and no other (R50, R51)", async () => {
  assert.deepEqual(await alice.send(type, "one", [bob1], { body: "one" }), {});
  await arrives("one", [bob1]);
});

test("A message for many devices reaches each of them once (R23)", async () => {
  await alice.send(type, "many", [alice, bob1, bob2], { body: "many" });
  await arrives("many", [alice, bob1, bob2]);
});

test("A message for * reaches every device of the user (R24)", async () => {
  await alice.send(type, "star", [everyDeviceOf(bob1)], { body: "star" });
  await arrives("star", [bob1, bob2]);
});

test("A message for * to oneself includes the sending device (R25)", async () => {
  await bob1.send(type, "self", [everyDeviceOf(bob1)], { body: "self" });
  await arrives("self", [bob1, bob2], bob1.userId);
});

test("Unknown users and devices are dropped and the rest is delivered (R28, D10)", async () => {
  const nobody = { userId: `@nobody:${homeserver.serverName}`, deviceId: "NONE" };
  await alice.send(type, "some", [nobody, { ...bob1, deviceId: "NONE" }, bob2], { body: "some" });
  await arrives("some", [bob2]);
});

test("Each device has its own content (R21)", async () => {
  const contents = new Map([[bob1.userId, new Map([["BOB1", { body: "for 1" }], ["BOB2", { body: "for 2" }]])]]);
  await alice.client.sendToDevice(type, contents, "own");
  await arrives("for 1", [bob1]);
  await arrives("for 2", [bob2]);
});

test("An event type and a transaction ID may hold any character (D2)", async () => {
  for (const txnId of ["a/b", "a%2Fb", "a b+c", "ü?#", "😀"]) {
    const body = `txn ${txnId}`;
    await alice.send("org.example/odd type %2F ü", txnId, [bob1], { body });
    await arrives(body, [bob1], alice.userId, "org.example/odd type %2F ü");
  }
});

// After the message each device gets a fence: what has not come before it does not come.
let fences = 0;
async function arrives(body, receivers, sender = alice.userId, eventType = type) {
  const fence = `fence ${++fences}`;
  await alice.send(type, fence, [alice, bob1, bob2], { body: fence });
  for (const device of [alice, bob1, bob2]) {
    await device.inbox.until(() => device.inbox.contents.some((content) => content.body === fence), fence);
    const found = device.inbox.messages.filter(({ content }) => content.body === body);
    assert.deepEqual(found, receivers.includes(device) ? [{ sender, type: eventType, content: { body } }] : []);
  }
}

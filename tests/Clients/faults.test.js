// One fault at a time, and what the SDK does about it.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { ConnectionError } from "matrix-js-sdk";
import { register, start } from "./support/clients.js";
import { startHomeserver } from "./support/homeserver.js";
import { faults, hasMessages, isSend, isSync, sinceOf, txnIdOf } from "./support/network.js";
import { raw } from "./support/raw.js";

const type = "org.example.fault";
let homeserver, alice, bob;
let round = 0;

before(async () => { homeserver = await startHomeserver(); });
after(() => homeserver?.stop());

beforeEach(async () => {
  round++;
  alice = await start(homeserver, await register(homeserver, `alice${round}`, "ALICE1"));
  bob = await start(homeserver, await register(homeserver, `bob${round}`, "BOB1"));
});
afterEach(() => [alice, bob].forEach((device) => device.stop()));

for (const fault of ["requestLost", "answerLost", "sentTwiceAnswersLost"]) {
  test(`After ${fault} the retry with the same transaction ID leaves one message (R40, R41, D3)`, async () => {
    troubleSends(alice, [faults[fault]]);
    await assert.rejects(alice.send(type, "txn", [bob], { n: 1 }), ConnectionError);
    assert.deepEqual(await alice.send(type, "txn", [bob], { n: 1 }), {});
    await bobHasOnly([1]);
  });
}

test("A retry may come long after, and with another body, and is still the same send (R47)", async () => {
  await alice.send(type, "txn", [bob], { n: 1 });
  await alice.send(type, "between", [bob], { n: 2 });
  assert.deepEqual(await alice.send(type, "txn", [bob], { n: 3 }), {});
  await bobHasOnly([1, 2]);
});

test("Two copies of a request in flight leave one message and are answered alike (R41)", async () => {
  const numbers = Array.from({ length: 20 }, (_, i) => i + 1);
  troubleSends(alice, numbers.map(() => faults.sentTwice));
  for (const n of numbers) await alice.send(type, `txn ${n}`, [bob], { n });
  assert.equal(alice.network.sentTwice, 20);
  assert.equal(alice.network.differentAnswers, 0);
  await bobHasOnly(numbers);
});

test("The SDK's own queue sends again after a gateway's time-out, and one message arrives (R40)", async () => {
  const txnIds = troubleSends(alice, [faults.gatewayTimeout]);
  for (const n of [1, 2])
    await alice.client.queueToDevice({ eventType: type, batch: [{ userId: bob.userId, deviceId: bob.deviceId, payload: { n } }] });
  await bob.inbox.holds(2);
  assert.deepEqual(txnIds, [txnIds[0], txnIds[0], txnIds[2]]);
  await bobHasOnly([1, 2]);
});

for (const fault of ["answerLost", "answerCut"]) {
  test(`After ${fault} on a sync the same since brings the same messages, once (R56, D11)`, async () => {
    const syncs = [];
    bob.network.onAnswer = (request, answer) => {
      if (!isSync(request) || !hasMessages(answer)) return undefined;
      syncs.push(sinceOf(request));
      return syncs.length === 1 ? faults[fault] : undefined;
    };
    await alice.send(type, "txn", [bob], { n: 1 });
    await bobHasOnly([1]);
    assert.equal(syncs[1], syncs[0]);
  });
}

// The sends of a device meet these faults, one each. Returns their transaction IDs as they come.
function troubleSends(device, list) {
  const txnIds = [];
  device.network.onRequest = (request) => {
    if (!isSend(request)) return undefined;
    txnIds.push(txnIdOf(request));
    return list.shift();
  };
  return txnIds;
}

// Nothing else comes before a last message, and nothing is left on the server behind it.
async function bobHasOnly(numbers) {
  await alice.send(type, "last", [bob], { n: "last" });
  await bob.inbox.until(() => bob.inbox.contents.some(({ n }) => n === "last"), "the last message");
  assert.deepEqual(bob.inbox.contents.map(({ n }) => n), [...numbers, "last"]);
  bob.stop();
  const { json } = await raw(homeserver, bob).sync(bob.client.store.getSyncToken());
  assert.deepEqual(json.to_device?.events ?? [], []);
}

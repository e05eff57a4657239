// Clients that have a sliding sync and no /sync: matrix-js-sdk's, with its extensions for to-device messages and for keys.
import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { login, register, start } from "./support/clients.js";
import { bootstrap, eventually, follow, startEncrypted, verify } from "./support/encryption.js";
import { startHomeserver } from "./support/homeserver.js";
import { faults, hasMessages, isSlidingSync, isSync } from "./support/network.js";
import { raw } from "./support/raw.js";

const type = "org.example.sliding";
const sliding = 1000;
let homeserver, alice, devices;
let round = 0;

before(async () => { homeserver = await startHomeserver(); });
after(() => homeserver?.stop());
beforeEach(async () => {
  devices = [];
  alice = await running(await register(homeserver, `alice${++round}`, "PHONE"), start);
});
afterEach(() => {
  devices.forEach((device) => device.stop());
  for (const { network } of devices) assert.ok(!network.seen.some(isSync), "no client has asked for /sync");
});

test("A message reaches a client on a sliding sync, and its long poll ends for it (R124, R126)", async () => {
  const bob = await running(await register(homeserver, `bob${round}`, "LAPTOP"), start, { sliding: 60_000 });
  await alice.send(type, "one", [bob], { n: 1 });
  await bob.inbox.holds(1);
  await alice.send(type, "two", [bob], { n: 2 });
  assert.deepEqual(await bob.inbox.holds(2), [1, 2].map((n) => ({ sender: alice.userId, type, content: { n } })));
});

// The SDK leaves the server alone for five seconds after each.
for (const fault of ["answerLost", "answerCut"]) {
  test(`After ${fault} the same since brings the same messages, once (R123, R125)`, async () => {
    const bob = await running(await register(homeserver, `bob${round}`, "LAPTOP"), start);
    const asked = [];
    bob.network.onAnswer = (request, answer) => {
      if (!isSlidingSync(request) || !hasMessages(answer)) return undefined;
      asked.push(sinceOf(request));
      return asked.length === 1 ? faults[fault] : undefined;
    };
    await alice.send(type, "one", [bob], { n: 1 });
    await hasOnly(bob, [1]);
    assert.equal(asked[1], asked[0]);
    assert.equal(bob.network.lostAnswers, 1);
  });
}

test("A restart of the server loses and doubles nothing: pos and token are known to it (R122, R127)", async () => {
  const bob = await running(await register(homeserver, `bob${round}`, "LAPTOP"), start);
  await alice.send(type, "one", [bob], { n: 1 });
  await bob.inbox.holds(1);
  await restart();
  await sendAnyway(bob, "two", { n: 2 });
  await hasOnly(bob, [1, 2]);

  const refused = bob.network.seen.filter(isSlidingSync).filter(({ path }) => !path.includes("pos="));
  assert.equal(refused.length, 1, "its connection did not begin anew");
});

test("A queue that is longer than a response is drained in order (R120, R124)", async () => {
  const session = await register(homeserver, `bob${round}`, "LAPTOP");
  const numbers = Array.from({ length: 130 }, (_, i) => i + 1);
  for (const n of numbers) await alice.send(type, `txn ${n}`, [session], { n });
  await hasOnly(await running(session, start), numbers);
});

test("A client goes over to a sliding sync: what it has got by /sync does not come again (R125)", async () => {
  const session = await register(homeserver, `bob${round}`, "LAPTOP");
  const old = await start(homeserver, session);
  await alice.send(type, "one", [session], { n: 1 });
  await old.inbox.holds(1);
  old.stop();
  await raw(homeserver, session).sync(old.client.store.getSyncToken());
  await alice.send(type, "two", [session], { n: 2 });

  await hasOnly(await running(session, start), [2]);
});

test("Two devices of one user verify each other by emoji, over sliding sync only", async () => {
  const phone = await running(await register(homeserver, `carol${round}`, "PHONE"), startEncrypted);
  await bootstrap(phone);
  const laptop = await running(await login(homeserver, `carol${round}`, "LAPTOP"), startEncrypted);

  const [one, other] = await verify(laptop, phone);

  assert.equal(one.split(", ").length, 7);
  assert.equal(one, other);
  await trusts(laptop, phone);
  await trusts(phone, laptop);
});

test("Encrypted messages reach their devices, those that came later too, and one-time keys are made again when they run low", async () => {
  const bob = await running(await register(homeserver, `bob${round}`, "LAPTOP"), startEncrypted);
  const carol = await running(await register(homeserver, `carol${round}`, "PHONE"), startEncrypted);
  await follow(bob, carol);
  await follow(carol, bob);
  await tell(bob, "cake at noon", carol);
  await tell(carol, "tea at five", bob);

  // Bob learns of it from device_lists.
  const tablet = await running(await login(homeserver, `carol${round}`, "TABLET"), startEncrypted);
  await eventually(bob, async () => (await bob.crypto.getUserDeviceInfo([carol.userId])).get(carol.userId).has("TABLET"), "carol's tablet");
  await tell(bob, "biscuits any time", carol, tablet);

  // Carol learns of it from device_one_time_keys_count.
  const uploads = () => carol.network.seen.filter(({ path }) => path.endsWith("/keys/upload")).length;
  const before = uploads();
  for (let i = 0; i < 30; i++) await claim(alice, carol);
  await eventually(carol, () => uploads() > before, "more one-time keys of carol's");
});

async function running(session, start, { sliding: timeout = sliding } = {}) {
  const options = { sliding: timeout };
  const device = await (start === startEncrypted ? startEncrypted(homeserver, session, options) : start(homeserver, session, undefined, options));
  devices.push(device);
  return device;
}

// Nothing else comes before a last message, and nothing is left on the server when it has been acknowledged.
async function hasOnly(device, numbers) {
  const acknowledged = acknowledgements(device);
  await sendAnyway(device, `last for ${device.deviceId}`, { n: "last" });
  await device.inbox.until(() => device.inbox.contents.some(({ n }) => n === "last"), "the last message");
  await device.inbox.until(acknowledged, "the last message to be acknowledged");
  assert.deepEqual(device.inbox.contents.map(({ n }) => n), [...numbers, "last"]);
  device.stop();
  const { json } = await raw(homeserver, device).sync();
  assert.deepEqual(json.to_device?.events ?? [], []);
}

// Whether a request with the token of the last message has been answered.
function acknowledgements({ network }) {
  const also = network.onAnswer;
  let last, isAcknowledged = false;
  network.onAnswer = (request, answer) => {
    const fault = also(request, answer);
    if (fault || !isSlidingSync(request) || answer.status !== 200) return fault;
    if (hasMessages(answer)) last = JSON.parse(answer.body).extensions.to_device.next_batch;
    isAcknowledged = last !== undefined && sinceOf(request) === last;
    return undefined;
  };
  return () => isAcknowledged;
}

function sinceOf({ body }) {
  return JSON.parse(body).extensions.to_device.since;
}

// The server may be away for a moment: the transaction ID makes one message of all attempts.
async function sendAnyway(device, txnId, content) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await alice.send(type, txnId, [device], content);
    } catch (error) {
      if (attempt === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function restart() {
  const headers = { authorization: `Bearer ${alice.accessToken}` };
  const answer = await fetch(`${homeserver.url}/_trial/restart`, { method: "POST", headers });
  assert.equal(answer.status, 200);
}

async function tell(sender, secret, ...receivers) {
  const addresses = receivers.map(({ userId, deviceId }) => ({ userId, deviceId }));
  await sender.client.encryptAndSendToDevice(type, addresses, { secret });
  for (const device of receivers) {
    const arrived = () => device.decrypted.filter(({ content }) => content.secret === secret);
    await device.inbox.until(() => arrived().length > 0, `a message at ${device.deviceId} that can be read`);
    assert.deepEqual(arrived().map((message) => [message.type, message.encryptionInfo.sender]), [[type, sender.userId]]);
  }
}

const claim = ({ client }, { userId, deviceId }) => client.claimOneTimeKeys([[userId, deviceId]], "signed_curve25519");

const trusts = (one, other) => eventually(
  one,
  async () => (await one.crypto.getDeviceVerificationStatus(other.userId, other.deviceId))?.crossSigningVerified,
  `${one.deviceId} to trust ${other.deviceId}`);

// End-to-end encryption, which is what to-device messages are for: real keys, real sessions, real verification.
import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { login, register } from "./support/clients.js";
import { bootstrap, eventually, follow, startEncrypted, verify } from "./support/encryption.js";
import { startPeers } from "./support/homeserver.js";

const type = "org.example.secret";
let hs1, hs2, devices;
let round = 0;

before(async () => { [hs1, hs2] = await startPeers(); });
after(() => Promise.all([hs1, hs2].map((homeserver) => homeserver?.stop())));
beforeEach(() => { round++; devices = []; });
afterEach(() => devices.forEach((device) => device.stop()));

test("Two devices of one user verify each other by emoji", async () => {
  const phone = await user(hs1, "alice", "PHONE");
  await bootstrap(phone);
  const laptop = await anotherDevice(hs1, "alice", "LAPTOP");

  await comparesTheSame(laptop, phone);
});

for (const [where, bobsServer] of [["one server", () => hs1], ["two servers", () => hs2]]) {
  test(`Two users of ${where} verify each other by emoji`, async () => {
    const alice = await user(hs1, "alice", "PHONE");
    const bob = await user(bobsServer(), "bob", "LAPTOP");
    await bootstrap(alice);
    await bootstrap(bob);
    await follow(alice, bob);
    await follow(bob, alice);

    await comparesTheSame(alice, bob);
  });

  test(`Encrypted messages between users of ${where} reach the devices they are for, and nobody else can read them`, async () => {
    const alice = await user(hs1, "alice", "PHONE");
    const bob = await user(bobsServer(), "bob", "LAPTOP");
    await follow(alice, bob);
    await follow(bob, alice);

    await tell(alice, "cake at noon", bob);
    await tell(bob, "tea at five", alice);
    // A device that came after the others were asked for: alice is told, and asks again.
    const tablet = await anotherDevice(bobsServer(), "bob", "TABLET");
    await eventually(alice, async () => (await alice.crypto.getUserDeviceInfo([bob.userId])).get(bob.userId).has("TABLET"), "bob's tablet");
    await tell(alice, "biscuits any time", bob, tablet);

    // Not by chance either: what is encrypted has no spaces.
    for (const { network } of devices)
      assert.ok(network.seen.every(({ body }) => !/cake at|tea at|biscuits any/.test(body)));
  });
}

async function comparesTheSame(asking, asked) {
  const [one, other] = await verify(asking, asked);
  assert.equal(one.split(", ").length, 7);
  assert.equal(one, other);
  await trusts(asking, asked);
  await trusts(asked, asking);
}

// By the signatures that the server has gathered, not just by its own memory.
const trusts = (one, other) => eventually(
  one,
  async () => (await one.crypto.getDeviceVerificationStatus(other.userId, other.deviceId))?.crossSigningVerified,
  `${one.deviceId} to trust ${other.deviceId}`);

async function tell(sender, secret, ...receivers) {
  const addresses = receivers.map(({ userId, deviceId }) => ({ userId, deviceId }));
  await sender.client.encryptAndSendToDevice(type, addresses, { secret });
  for (const device of receivers) {
    const arrived = () => device.decrypted.filter(({ content }) => content.secret === secret);
    await device.inbox.until(() => arrived().length > 0, `a message at ${device.deviceId} that can be read`);
    assert.deepEqual(arrived().map((message) => [message.type, message.encryptionInfo.sender]), [[type, sender.userId]]);
  }
}

async function user(homeserver, name, deviceId) {
  return running(homeserver, await register(homeserver, `${name}${round}`, deviceId));
}

async function anotherDevice(homeserver, name, deviceId) {
  return running(homeserver, await login(homeserver, `${name}${round}`, deviceId));
}

async function running(homeserver, session) {
  const device = await startEncrypted(homeserver, session);
  devices.push(device);
  return device;
}

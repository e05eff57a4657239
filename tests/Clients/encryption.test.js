// End-to-end encryption, which is what to-device messages are for: real keys, real sessions, real verification.
import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { login, register } from "./support/clients.js";
import { bootstrap, eventually, follow, startEncrypted, verify } from "./support/encryption.js";
import { startHomeserver } from "./support/homeserver.js";

let homeserver, devices;
let round = 0;

before(async () => { homeserver = await startHomeserver(); });
after(() => homeserver?.stop());
beforeEach(() => { round++; devices = []; });
afterEach(() => devices.forEach((device) => device.stop()));

test("Two devices of one user verify each other by emoji", async () => {
  const phone = await user("alice", "PHONE");
  await bootstrap(phone);
  const laptop = await anotherDevice("alice", "LAPTOP");

  const [one, other] = await verify(laptop, phone);

  assert.equal(one, other);
  await trusts(phone, laptop);
  await trusts(laptop, phone);
});

test("Two users verify each other by emoji", async () => {
  const alice = await user("alice", "PHONE");
  const bob = await user("bob", "LAPTOP");
  await bootstrap(alice);
  await bootstrap(bob);
  await follow(alice, bob);
  await follow(bob, alice);

  const [one, other] = await verify(alice, bob);

  assert.equal(one, other);
  await trusts(alice, bob);
  await trusts(bob, alice);
});

test("An encrypted message reaches each of the devices it is for, and nobody else can read it", async () => {
  const alice = await user("alice", "PHONE");
  const bob = await user("bob", "LAPTOP");
  const bobsTablet = await anotherDevice("bob", "TABLET");
  await follow(alice, bob);

  await alice.client.encryptAndSendToDevice("org.example.secret", [bob, bobsTablet].map(({ userId, deviceId }) => ({ userId, deviceId })), { secret: "cake" });

  for (const device of [bob, bobsTablet]) {
    await device.inbox.until(() => device.decrypted.length > 0, "a message that can be read");
    const [{ type, content, encryptionInfo }] = device.decrypted;
    assert.equal(type, "org.example.secret");
    assert.deepEqual(content.secret, "cake");
    assert.equal(encryptionInfo.sender, alice.userId);
  }
  assert.ok(alice.network.seen.every(({ body }) => !body.includes("cake")));
});

// By the signatures that the server has gathered, not just by its own memory.
const trusts = (one, other) => eventually(
  one,
  async () => (await one.crypto.getDeviceVerificationStatus(other.userId, other.deviceId))?.crossSigningVerified,
  `${one.deviceId} to trust ${other.deviceId}`);

async function user(name, deviceId) {
  return running(await register(homeserver, `${name}${round}`, deviceId));
}

async function anotherDevice(name, deviceId) {
  return running(await login(homeserver, `${name}${round}`, deviceId));
}

async function running(session) {
  const device = await startEncrypted(homeserver, session);
  devices.push(device);
  return device;
}

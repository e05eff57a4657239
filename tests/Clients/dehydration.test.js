// Dehydrated devices (MSC3814): a device that waits on the server, for messages that come while its user is logged in nowhere.
import assert from "node:assert/strict";
import { after, before, beforeEach, afterEach, test } from "node:test";
import { DecryptionSettings, EncryptionSettings, RoomId, TrustRequirement, UserId } from "@matrix-org/matrix-sdk-crypto-wasm";
import { CryptoEvent } from "matrix-js-sdk/lib/crypto-api/index.js";
import { login, register } from "./support/clients.js";
import { bootstrap, follow, startEncrypted } from "./support/encryption.js";
import { startHomeserver } from "./support/homeserver.js";

const roomId = "!room:hs1.localhost";
let homeserver, devices;
let round = 0;

before(async () => { homeserver = await startHomeserver(); });
after(() => homeserver?.stop());
beforeEach(() => { round++; devices = []; });
afterEach(() => devices.forEach((device) => { device.crypto.stop(); device.stop(); }));

test("A new login rehydrates the dehydrated device and reads what was sent while nobody was logged in", async () => {
  const { alice, recovery } = await withDehydratedDevice();
  const dehydrated = await only(alice);
  const bob = await running(await register(homeserver, `bob${round}`, "LAPTOP"));
  await follow(bob, alice);
  assert.equal((await bob.crypto.getUserDeviceInfo([alice.userId])).get(alice.userId).get(dehydrated)?.dehydrated, true);
  await leave(alice);

  const written = await write(bob, alice, "cake at noon");

  const laptop = await running(await login(homeserver, `alice${round}`, "LAPTOP"), recovery);
  await assert.rejects(read(laptop, bob, written), "without the dehydrated device nobody has the key");
  await bootstrap(laptop);
  const events = watch(laptop);
  await laptop.crypto.startDehydration();
  assert.equal(await read(laptop, bob, written), "cake at noon");
  assert.deepEqual(events.progress, [[1, 1]]);
  assert.deepEqual(events.names, ["RehydrationStarted", "RehydrationProgress", "RehydrationCompleted", "DehydratedDeviceUploaded"]);

  // Its place is taken by a new one, which has nothing of the old one.
  const next = await only(laptop);
  assert.notEqual(next, dehydrated);
  const old = await fetch(`${homeserver.url}${path}/${encodeURIComponent(dehydrated)}/events`, { headers: authorization(laptop) });
  assert.deepEqual([old.status, (await old.json()).errcode], [403, "M_FORBIDDEN"]);
  assert.deepEqual(await (await fetch(`${homeserver.url}${path}/${encodeURIComponent(next)}/events`, { headers: authorization(laptop) })).json(), { events: [] });
});

test("More messages than a page holds are all rehydrated, also when another device has begun and given up", async () => {
  const { alice, recovery } = await withDehydratedDevice();
  const bob = await running(await register(homeserver, `bob${round}`, "LAPTOP"));
  await follow(bob, alice);
  const dehydrated = await only(alice);
  await leave(alice);
  for (let n = 0; n < 120; n++) await send(bob, { userId: alice.userId, deviceId: dehydrated }, { n });
  const written = await write(bob, alice, "the last one");

  // As of a client that is closed before it has come to the end: nothing is deleted, and another one begins again.
  const laptop = await running(await login(homeserver, `alice${round}`, "LAPTOP"), recovery);
  const page = await fetch(`${homeserver.url}${path}/${encodeURIComponent(dehydrated)}/events`, { headers: authorization(laptop) });
  assert.equal((await page.json()).events.length, 100);

  const tablet = await running(await login(homeserver, `alice${round}`, "TABLET"), recovery);
  await bootstrap(tablet);
  const events = watch(tablet);
  await tablet.crypto.startDehydration();
  assert.deepEqual(events.progress, [[0, 100], [1, 121]]);
  assert.equal(await read(tablet, bob, written), "the last one");
});

test("A dehydrated device that its user gives up is gone", async () => {
  const { alice } = await withDehydratedDevice();
  assert.equal(await alice.crypto.isDehydrationSupported(), true);
  await alice.client.http.authedRequest("DELETE", "/dehydrated_device", undefined, {}, { prefix: path.replace("/dehydrated_device", "") });
  const answer = await fetch(homeserver.url + path, { headers: authorization(alice) });
  assert.deepEqual([answer.status, (await answer.json()).errcode], [404, "M_NOT_FOUND"]);
});

const path = "/_matrix/client/unstable/org.matrix.msc3814.v1/dehydrated_device";
const authorization = ({ accessToken }) => ({ authorization: `Bearer ${accessToken}` });

// Cross-signing and secret storage come first, as in an application's setup.
async function withDehydratedDevice() {
  let privateKey;
  const recovery = { getSecretStorageKey: async ({ keys }) => [Object.keys(keys)[0], privateKey] };
  const alice = await running(await register(homeserver, `alice${round}`, "PHONE"), recovery);
  await bootstrap(alice);
  await alice.crypto.bootstrapSecretStorage({
    setupNewSecretStorage: true,
    async createSecretStorageKey() {
      const key = await alice.crypto.createRecoveryKeyFromPassphrase();
      privateKey = key.privateKey;
      return key;
    },
  });
  await alice.crypto.startDehydration();
  return { alice, recovery };
}

// The user's only dehydrated device, as every client sees it.
async function only({ crypto, userId }) {
  const known = (await crypto.getUserDeviceInfo([userId], true)).get(userId);
  const answer = await crypto.http.authedRequest("POST", "/keys/query", undefined, { device_keys: { [userId]: [] } }, { prefix: "/_matrix/client/v3" });
  const dehydrated = Object.values(answer.device_keys[userId]).filter((device) => device.dehydrated).map((device) => device.device_id);
  assert.equal(dehydrated.length, 1, [...known.keys()].join());
  return dehydrated[0];
}

async function leave(device) {
  device.crypto.stop();
  await device.client.logout(true);
  device.stop();
  devices.splice(devices.indexOf(device), 1);
}

// One message, which is on the server when this is over.
async function send({ client, crypto }, receiver, payload) {
  const { eventType, batch } = await crypto.encryptToDeviceMessages("org.example.secret", [receiver], payload);
  assert.equal(batch.length, 1);
  await client.sendToDevice(eventType, new Map([[receiver.userId, new Map([[receiver.deviceId, batch[0].payload]])]]));
}

// What an application does in an encrypted room: the key goes to each device of the others, the message to the room. There are no
// rooms here, so the message is handed on.
async function write({ crypto }, receiver, body) {
  const users = () => [new UserId(receiver.userId)];
  const claim = await crypto.olmMachine.getMissingSessions(users());
  if (claim) await crypto.outgoingRequestProcessor.makeOutgoingRequest(claim);
  const requests = await crypto.olmMachine.shareRoomKey(new RoomId(roomId), users(), new EncryptionSettings());
  for (const request of requests) await crypto.outgoingRequestProcessor.makeOutgoingRequest(request);
  return crypto.olmMachine.encryptRoomEvent(new RoomId(roomId), "m.room.message", JSON.stringify({ body }));
}

async function read({ crypto }, sender, content) {
  const event = {
    type: "m.room.encrypted", room_id: roomId, sender: sender.userId, event_id: "$event", origin_server_ts: Date.now(), content: JSON.parse(content),
  };
  const decrypted = await crypto.olmMachine.decryptRoomEvent(
    JSON.stringify(event), new RoomId(roomId), new DecryptionSettings(TrustRequirement.Untrusted));
  return JSON.parse(decrypted.event).content.body;
}

function watch({ client }) {
  const seen = { names: [], progress: [] };
  for (const name of ["RehydrationStarted", "RehydrationProgress", "RehydrationCompleted", "RehydrationError", "DehydratedDeviceUploaded"]) {
    client.on(CryptoEvent[name], (...values) => {
      seen.names.push(name);
      if (name === "RehydrationProgress") seen.progress.push(values.slice(0, 2));
    });
  }

  return seen;
}

async function running(session, cryptoCallbacks) {
  const device = await startEncrypted(homeserver, { ...session, cryptoCallbacks });
  devices.push(device);
  return device;
}

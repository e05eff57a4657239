// What a real client and two servers really say to each other, on a day on which much happens: matrix-js-sdk and the servers talk over
// proxies that note everything down.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { login, register } from "../Clients/support/clients.js";
import { bootstrap, eventually, follow, startEncrypted, verify, withPassword } from "../Clients/support/encryption.js";
import { startPeers } from "../Clients/support/homeserver.js";
import { startNetwork } from "../Clients/support/network.js";
import { faults as known } from "./exceptions.js";
import { seen } from "./support/exchange.js";
import { isUnstable } from "./support/routes.js";
import { readSpecification } from "./support/specification.js";

const specification = await readSpecification();
const exchanges = [], networks = [], devices = [];
const limit = { timeout: 90_000 };
let hs1, hs2, alice, bob;

before(async () => {
  [hs1, hs2] = await startPeers(recorded);
  for (const homeserver of [hs1, hs2]) homeserver.url = await recorded(homeserver.url);
});
after(async () => {
  devices.forEach((device) => device.stop());
  networks.forEach((network) => network.stop());
  await Promise.all([hs1, hs2].map((homeserver) => homeserver?.stop()));
});

test("Two devices of one user verify each other", limit, async () => {
  alice = await running(hs1, await register(hs1, "alice", "PHONE"));
  await bootstrap(alice);
  await verify(await running(hs1, await login(hs1, "alice", "LAPTOP")), alice);
});

test("Users of two servers verify each other", limit, async () => {
  bob = await running(hs2, await register(hs2, "bob", "TABLET"));
  await bootstrap(bob);
  await follow(alice, bob);
  await follow(bob, alice);
  await verify(alice, bob);
});

test("One writes to the other", limit, async () => {
  await alice.client.encryptAndSendToDevice("org.example.secret", [{ userId: bob.userId, deviceId: bob.deviceId }], { secret: "cake at noon" });
  await bob.inbox.until(() => bob.decrypted.some(({ content }) => content.secret === "cake at noon"), "the message");
});

test("Devices get a name and end", limit, async () => {
  await alice.client.setDeviceDetails("LAPTOP", { display_name: "portable" });
  await alice.client.getDevices();
  await withPassword((auth) => alice.client.deleteDevice("LAPTOP", auth ?? undefined), alice.client, alice.userId);
  const hasEnded = async () => (await bob.crypto.getUserDeviceInfo([alice.userId])).get(alice.userId)?.size === 1;
  await eventually(bob, hasEnded, "the end of alice's laptop");
  await bob.client.logout(true);
});

test("Everything that was said is as the specification has it", () => {
  const expected = ["/keys/query", "/keys/claim", "/sendToDevice/", "/sync?", "/federation/v1/send/", "/federation/v1/user/keys/query", "/key/v2/server"];
  for (const part of expected) assert.ok(exchanges.some(({ path }) => path.includes(part)), `nothing was said at ${part}`);

  const faults = exchanges.filter((one) => !isUnstable({ path: one.path.split("?")[0] })).flatMap((one) => specification.check(one));
  assert.deepEqual([...new Set(faults)].filter((fault) => !known.some((one) => one.fault.test(fault))), []);
});

async function running(homeserver, session) {
  const device = await startEncrypted(homeserver, session);
  devices.push(device);
  return device;
}

async function recorded(url) {
  const network = await startNetwork(url);
  network.onAnswer = (request, answer) => { exchanges.push(seen(request, answer)); };
  networks.push(network);
  return network.url;
}

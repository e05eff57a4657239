// The life of a device, as a client lives it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { everyDeviceOf, login, register, start } from "./support/clients.js";
import { startHomeserver } from "./support/homeserver.js";
import { raw } from "./support/raw.js";

const type = "org.example.device";
let homeserver, alice;

before(async () => {
  homeserver = await startHomeserver();
  alice = await start(homeserver, await register(homeserver, "alice", "ALICE1"));
});
after(async () => {
  alice?.stop();
  await homeserver?.stop();
});

test("Messages wait for a device that is offline (R50)", async () => {
  const bob = await register(homeserver, "bob", "BOB1");
  for (const n of [1, 2, 3]) await alice.send(type, `bob ${n}`, [bob], { n });
  await withClient(bob, async ({ inbox }) => {
    await inbox.holds(3);
    assert.deepEqual(inbox.contents, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  });
});

test("More messages than one response holds arrive all, in order (R53, R58)", async () => {
  const carol = await register(homeserver, "carol", "CAROL1");
  const numbers = Array.from({ length: 250 }, (_, i) => i);
  for (const n of numbers) await alice.send(type, `carol ${n}`, [carol], { n });
  await withClient(carol, async ({ inbox }) => {
    await inbox.holds(250);
    assert.deepEqual(inbox.contents.map(({ n }) => n), numbers);
  });
});

test("After logout a device with the same ID starts empty (R70, D6)", async () => {
  const dave = await register(homeserver, "dave", "DAVE1");
  await alice.send(type, "dave old", [dave], { n: "old" });
  const { json } = await raw(homeserver, dave).sync();
  assert.equal(json.to_device.events.length, 1);
  await withClient(dave, ({ client }) => client.logout(true));

  const again = await login(homeserver, "dave", "DAVE1");
  await alice.send(type, "dave new", [again], { n: "new" });
  await withClient(again, async ({ inbox }) => {
    await inbox.holds(1);
    assert.deepEqual(inbox.contents, [{ n: "new" }]);
  });
  assert.equal((await raw(homeserver, dave).sync()).json.errcode, "M_UNKNOWN_TOKEN");
});

test("Logging in again with the device ID, without logout, keeps what waits (R72)", async () => {
  const erin = await register(homeserver, "erin", "ERIN1");
  await alice.send(type, "erin", [erin], { n: 1 });
  await withClient(await login(homeserver, "erin", "ERIN1"), async ({ inbox }) => {
    await inbox.holds(1);
    assert.deepEqual(inbox.contents, [{ n: 1 }]);
  });
});

test("A device that comes later gets nothing of an earlier * (D10)", async () => {
  const frank = await register(homeserver, "frank", "FRANK1");
  await alice.send(type, "frank early", [everyDeviceOf(frank)], { n: "early" });
  const later = await login(homeserver, "frank", "FRANK2");
  await alice.send(type, "frank late", [everyDeviceOf(frank)], { n: "late" });
  await withClient(later, async ({ inbox }) => {
    await inbox.holds(1);
    assert.deepEqual(inbox.contents, [{ n: "late" }]);
  });
});

async function withClient(session, use) {
  const device = await start(homeserver, session);
  try {
    await use(device);
  } finally {
    device.stop();
  }
}

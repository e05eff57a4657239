// Clients that still use r0 paths and the token in the query (matrix-nio does; R8, R15, D1).
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { register } from "./support/clients.js";
import { startHomeserver } from "./support/homeserver.js";
import { answer, raw } from "./support/raw.js";

const type = "org.example.old";
let homeserver, alice, bob;

before(async () => {
  homeserver = await startHomeserver();
  alice = await register(homeserver, "alice", "ALICE1");
  bob = await register(homeserver, "bob", "BOB1");
});
after(() => homeserver?.stop());

test("Sending and syncing under r0 with the token in the query", async () => {
  const sent = await old(alice, "PUT", `sendToDevice/${type}/txn`, {}, message({ n: 1 }));
  assert.deepEqual([sent.status, sent.json], [200, {}]);

  const first = await old(bob, "GET", "sync", { timeout: 0, full_state: "true" });
  assert.deepEqual(first.json.to_device.events, [{ sender: alice.userId, type, content: { n: 1 } }]);
  const second = await old(bob, "GET", "sync", { timeout: 0, since: first.json.next_batch });
  assert.deepEqual(second.json.to_device?.events ?? [], []);
});

test("A retry under another prefix, with the token in the header, is the same send (D1)", async () => {
  await old(alice, "PUT", `sendToDevice/${type}/prefix`, {}, message({ n: 2 }));
  const retried = await raw(homeserver, alice).put(`/_matrix/client/v3/sendToDevice/${type}/prefix`, message({ n: 2 }));
  assert.deepEqual([retried.status, retried.json], [200, {}]);
  const { json } = await old(bob, "GET", "sync", { timeout: 0 });
  assert.deepEqual(json.to_device.events.map(({ content }) => content), [{ n: 2 }]);
});

test("A wrong or missing token is refused in the form that clients know (R9)", async () => {
  const wrong = await old({ accessToken: "wrong" }, "GET", "sync", {});
  assert.deepEqual([wrong.status, wrong.json.errcode], [401, "M_UNKNOWN_TOKEN"]);
  const missing = await answer(await fetch(`${homeserver.url}/_matrix/client/r0/sync`));
  assert.deepEqual([missing.status, missing.json.errcode], [401, "M_MISSING_TOKEN"]);
});

async function old({ accessToken }, method, path, query, body) {
  const all = new URLSearchParams({ access_token: accessToken, ...query });
  return answer(await fetch(`${homeserver.url}/_matrix/client/r0/${path}?${all}`, { method, body }));
}

function message(content) {
  return JSON.stringify({ messages: { [bob.userId]: { BOB1: content } } });
}

// The recipient gets the text that the sender sent (R31, D9): signatures and ciphertexts depend on it.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { register, start } from "./support/clients.js";
import { startHomeserver } from "./support/homeserver.js";
import { raw } from "./support/raw.js";

const type = "org.example.content";
let homeserver, alice, bob;

before(async () => {
  homeserver = await startHomeserver();
  alice = await register(homeserver, "alice", "ALICE1");
  bob = await register(homeserver, "bob", "BOB1");
});
after(() => homeserver?.stop());

const texts = {
  "numbers as written": '{"a":1.0,"b":1e3,"c":-0,"d":12345678901234567890,"e":0.1000,"f":1E+2}',
  "escapes as written": String.raw`{"a":"\u00e9\/\n\"","b":"\ud83d\ude00","c":"<&>'+"}`,
  "characters beyond ASCII": '{"ключ":"значение","日本語":"テスト","emoji":"👩🏽‍🚀","rtl":"שלום"}',
  "key order": '{"z":1,"a":2,"m":{"y":3,"b":4}}',
  "a lone surrogate": String.raw`{"a":"\ud800"}`,
  "a key twice": '{"a":1,"a":2}',
  "names that JavaScript knows": '{"__proto__":{"x":1},"constructor":null,"toString":[]}',
  "deep nesting": `{"a":${"[".repeat(90)}${"]".repeat(90)}}`,
  "60 kB": `{"a":"${"x".repeat(60_000)}"}`,
  "nothing": "{}",
};

for (const [name, text] of Object.entries(texts)) {
  test(`The text arrives unchanged: ${name}`, async () => {
    const body = `{"messages":{${JSON.stringify(bob.userId)}:{"BOB1":${text}}}}`;
    const path = `/_matrix/client/v3/sendToDevice/${type}/${encodeURIComponent(name)}`;
    assert.equal((await raw(homeserver, alice).put(path, body)).text, "{}");
    const received = await raw(homeserver, bob).sync();
    assert.ok(received.text.includes(`"content":${text}`), received.text.slice(0, 1000));
    await raw(homeserver, bob).sync(received.json.next_batch);
  });
}

test("matrix-js-sdk reads back what matrix-js-sdk wrote", async () => {
  const content = { text: "naïve 👋\u0000\u2028", list: [null, true, -1.5, "", {}, []], deep: { er: { est: ["é"] } } };
  const [sender, receiver] = [await start(homeserver, alice), await start(homeserver, bob)];
  try {
    await sender.send(type, "sdk", [bob], content);
    const [message] = await receiver.inbox.holds(1);
    assert.deepEqual(message, { sender: alice.userId, type, content });
  } finally {
    sender.stop();
    receiver.stop();
  }
});

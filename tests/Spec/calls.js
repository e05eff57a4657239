// One call or more to each endpoint, and what it is answered with. Those of clients are made under v3 and under r0.
import { peerName } from "./support/peer.js";
import { signed } from "./support/signing.js";
import { algorithm, crossSigningOf, deviceKeysOf, password, passwordAuth } from "./support/world.js";

const call = (route, status, why, request) => ({ route, status, why, request });

const dummy = { type: "m.login.dummy" };
const user = async (world, more) => ({ token: (await world.user()).token, ...more });
const login = (user, more) => ({ ...passwordAuth(user), ...more });

export const clientCalls = [
  call("POST /register", 200, "a user", () => ({ body: { username: `new${Math.random()}`, password, refresh_token: true, auth: dummy } })),
  call("POST /register", 200, "a user who does not log in", () => ({ body: { password, inhibit_login: true, auth: dummy } })),
  call("POST /register", 401, "without authentication", () => ({ body: { password } })),
  call("POST /register", 401, "with another authentication", () => ({ body: { password, auth: { type: "m.login.sso", session: "s" } } })),
  call("POST /register", 400, "a name that is taken", async (world) => ({ body: { username: (await world.user()).username, password, auth: dummy } })),
  call("POST /register", 400, "no name", () => ({ body: { username: "a b", password, auth: dummy } })),
  call("POST /register", 400, "another kind", () => ({ query: "kind=robot", body: {} })),
  call("POST /register", 403, "a guest", () => ({ query: "kind=guest", body: {} })),

  call("GET /login", 200, "the flows", () => ({})),
  call("POST /login", 200, "by user ID", async (world) => ({ body: login(await world.user(), { refresh_token: true }) })),
  call("POST /login", 200, "with the device", async (world) => ({ body: login(await world.user(), { device_id: "PHONE" }) })),
  call("POST /login", 400, "by another way", () => ({ body: { type: "m.login.token", token: "t" } })),
  call("POST /login", 400, "without a password", async (world) => ({ body: login(await world.user(), { password: undefined }) })),
  call("POST /login", 403, "with a wrong password", async (world) => ({ body: login(await world.user(), { password: "wrong" }) })),
  call("GET /account/whoami", 200, "who", (world) => user(world)),
  call("POST /refresh", 200, "a token", async (world) => ({ body: { refresh_token: (await world.user({ refresh_token: true })).refreshToken } })),
  call("POST /refresh", 401, "a token that is none", () => ({ body: { refresh_token: "none" } })),
  call("POST /logout", 200, "a device", (world) => user(world)),
  call("POST /logout/all", 200, "all devices", (world) => user(world)),

  call("GET /devices", 200, "all", (world) => user(world)),
  call("GET /devices/{deviceId}", 200, "one", (world) => user(world, { deviceId: "PHONE" })),
  call("GET /devices/{deviceId}", 404, "none", (world) => user(world, { deviceId: "NONE" })),
  call("PUT /devices/{deviceId}", 200, "a name", (world) => user(world, { deviceId: "PHONE", body: { display_name: "telephone" } })),
  call("PUT /devices/{deviceId}", 404, "none", (world) => user(world, { deviceId: "NONE", body: { display_name: "x" } })),
  call("DELETE /devices/{deviceId}", 401, "without authentication", (world) => user(world, { deviceId: "PHONE", body: {} })),
  call("DELETE /devices/{deviceId}", 200, "with the password", async (world) => deleting(await world.user(), { deviceId: "PHONE" })),
  call("DELETE /devices/{deviceId}", 401, "with another's password", async (world) => ({
    token: (await world.user()).token, deviceId: "PHONE", body: { auth: passwordAuth(await world.user()) } })),
  call("POST /delete_devices", 401, "without authentication", (world) => user(world, { body: { devices: ["PHONE"] } })),
  call("POST /delete_devices", 200, "with the password", async (world) => deleting(await world.user(), { devices: ["PHONE", "NONE"] })),
  call("POST /delete_devices", 400, "which?", async (world) => deleting(await world.user(), {})),

  call("POST /user/{userId}/filter", 200, "one", async (world) => filter(await world.user(), { body: { room: { timeline: { limit: 10 } } } })),
  call("POST /user/{userId}/filter", 403, "another's", async (world) => ({ ...await user(world), userId: (await world.user()).userId, body: {} })),
  call("GET /user/{userId}/filter/{filterId}", 200, "one", async (world) => {
    const owner = await world.user();
    const { json } = await owner.post(`user/${owner.userId}/filter`, { room: { timeline: { limit: 10 } } }, owner.token);
    return filter(owner, { filterId: json.filter_id });
  }),
  call("GET /user/{userId}/filter/{filterId}", 404, "none", async (world) => filter(await world.user(), { filterId: "none" })),
  call("PUT /user/{userId}/account_data/{type}", 200, "one", async (world) => filter(await world.user(), { type: "org.example.data", body: { a: 1 } })),
  call("GET /user/{userId}/account_data/{type}", 404, "none", async (world) => filter(await world.user(), { type: "org.example.none" })),
  call("GET /user/{userId}/account_data/{type}", 200, "one", async (world) => {
    const { userId, token } = await world.user();
    await world.client("PUT", `/user/${userId}/account_data/org.example.data`, { token, body: { a: 1 } });
    return filter({ userId, token }, { type: "org.example.data" });
  }),

  call("GET /sync", 200, "a first one", (world) => user(world)),
  call("GET /sync", 200, "with messages and changes of keys", async (world) => {
    const receiver = await world.user({ withKeys: true });
    await world.client("PUT", "/sendToDevice/m.dummy/1", { token: receiver.token, body: { messages: { [receiver.userId]: { "*": { a: 1 } } } } });
    const { json } = await world.client("GET", "/sync", receiver);
    await world.client("PUT", "/devices/PHONE", { token: receiver.token, body: { display_name: "telephone" } });
    await world.client("PUT", "/sendToDevice/m.dummy/2", { token: receiver.token, body: { messages: { [receiver.userId]: { PHONE: {} } } } });
    return { token: receiver.token, query: `since=${json.next_batch}&timeout=0&full_state=false&set_presence=offline` };
  }),
  call("GET /sync", 400, "since never", (world) => user(world, { query: "since=never" })),

  call("POST /keys/upload", 200, "all kinds", async (world) => uploading(await world.user(), deviceKeysOf)),
  call("POST /keys/upload", 400, "another device's", async (world) => uploading(await world.user(), (user) => deviceKeysOf({ ...user, deviceId: "OTHER" }))),
  call("POST /keys/query", 200, "of this server and of others", async (world) => {
    const asked = await world.user({ withKeys: true });
    await asked.post("keys/device_signing/upload", crossSigningOf(asked).upload, asked.token);
    world.peer.answers["/_matrix/federation/v1/user/keys/query"] = { device_keys: { [`@bob:${peerName}`]: {} } };
    const users = [asked.userId, `@bob:${peerName}`, "@carol:elsewhere.example", `@nobody:${asked.serverName}`, "no user"];
    return { token: asked.token, body: { device_keys: Object.fromEntries(users.map((userId) => [userId, []])), timeout: 10_000 } };
  }),
  call("POST /keys/query", 400, "whose?", (world) => user(world, { body: {} })),
  call("POST /keys/claim", 200, "of this server and of others", async (world) => {
    const asked = await world.user({ withKeys: true });
    world.peer.answers["/_matrix/federation/v1/user/keys/claim"] = { one_time_keys: {} };
    const users = [asked.userId, `@bob:${peerName}`, "@carol:elsewhere.example", "no user"];
    return { token: asked.token, body: { one_time_keys: Object.fromEntries(users.map((userId) => [userId, { PHONE: algorithm }])) } };
  }),
  call("POST /keys/claim", 400, "whose?", (world) => user(world, { body: {} })),
  call("GET /keys/changes", 200, "since a sync", async (world) => {
    const { token } = await world.user({ withKeys: true });
    const { json } = await world.client("GET", "/sync", { token });
    return { token, query: `from=${json.next_batch}&to=${json.next_batch}` };
  }),
  call("GET /keys/changes", 400, "since when?", (world) => user(world)),
  call("POST /keys/device_signing/upload", 200, "the first ones", async (world) => uploading(await world.user(), (user) => crossSigningOf(user).upload)),
  call("POST /keys/device_signing/upload", 401, "others without authentication", async (world) => {
    const owner = await world.user();
    await owner.post("keys/device_signing/upload", crossSigningOf(owner).upload, owner.token);
    return uploading(owner, (user) => crossSigningOf(user).upload);
  }),
  call("POST /keys/device_signing/upload", 400, "no master key", async (world) =>
    uploading(await world.user(), (user) => ({ self_signing_key: crossSigningOf(user).upload.self_signing_key }))),
  call("POST /keys/signatures/upload", 200, "one's own, and a failure", async (world) => {
    const owner = await world.user();
    const { device_keys: device } = deviceKeysOf(owner);
    const { upload, selfSigning } = crossSigningOf(owner);
    await owner.post("keys/upload", { device_keys: device }, owner.token);
    await owner.post("keys/device_signing/upload", upload, owner.token);
    const failing = { ...device, device_id: "NONE" };
    return { token: owner.token, body: { [owner.userId]: { PHONE: signed(device, owner.userId, selfSigning), NONE: failing } } };
  }),

  call("GET /capabilities", 200, "all", (world) => user(world)),
  call("GET /pushrules/", 200, "all", (world) => user(world)),
  call("GET /room_keys/version", 404, "none", (world) => user(world)),

  call("PUT /sendToDevice/{eventType}/{txnId}", 200, "to users here and elsewhere", async (world) => {
    const { userId, token } = await world.user();
    const messages = { [userId]: { PHONE: { a: 1 } }, [`@bob:${peerName}`]: { "*": { a: 1 } }, "@carol:elsewhere.example": { A: {} }, "no user": { A: {} } };
    return { token, eventType: "m.dummy", txnId: "1", body: { messages } };
  }),
  call("PUT /sendToDevice/{eventType}/{txnId}", 400, "nothing", (world) => user(world, { eventType: "m.dummy", txnId: "1", body: {} })),
  call("PUT /sendToDevice/{eventType}/{txnId}", 413, "a content that is too large", async (world) => {
    const { userId, token } = await world.user();
    return { token, eventType: "m.dummy", txnId: "1", body: { messages: { [userId]: { PHONE: { a: "x".repeat(70_000) } } } } };
  }),
];

export const serverCalls = [
  call("GET /_matrix/client/versions", 200, "all", () => ({})),
  call("GET /_matrix/key/v2/server", 200, "all", () => ({})),
  call("GET /_matrix/key/v2/server/{keyId}", 200, "all", () => ({ keyId: "ed25519:any" })),
  call("GET /_matrix/federation/v1/version", 200, "it", () => ({})),
  call("GET /_matrix/federation/v1/user/devices/{userId}", 200, "those with keys and those without", async (world) => {
    const owner = await world.user({ withKeys: true });
    await owner.post("keys/device_signing/upload", crossSigningOf(owner).upload, owner.token);
    await owner.post("login", login(owner, { device_id: "WITHOUT" }));
    return { signed: true, userId: owner.userId };
  }),
  call("GET /_matrix/federation/v1/user/devices/{userId}", 404, "nobody's", () => ({ signed: true, userId: "@nobody:hs1.localhost" })),
  call("POST /_matrix/federation/v1/user/keys/query", 200, "users", async (world) => {
    const owner = await world.user({ withKeys: true });
    await owner.post("keys/device_signing/upload", crossSigningOf(owner).upload, owner.token);
    return { signed: true, body: { device_keys: { [owner.userId]: [], "@nobody:hs1.localhost": [] } } };
  }),
  call("POST /_matrix/federation/v1/user/keys/query", 400, "whose?", () => ({ signed: true, body: {} })),
  call("POST /_matrix/federation/v1/user/keys/claim", 200, "users", async (world) => {
    const { userId } = await world.user({ withKeys: true });
    return { signed: true, body: { one_time_keys: { [userId]: { PHONE: algorithm }, "@nobody:hs1.localhost": { A: algorithm } } } };
  }),
  call("POST /_matrix/federation/v1/user/keys/claim", 400, "whose?", () => ({ signed: true, body: {} })),
  call("PUT /_matrix/federation/v1/send/{txnId}", 200, "messages, changes and events", async (world) => {
    const { userId } = await world.user();
    const sender = `@bob:${peerName}`;
    return { signed: true, txnId: "1", body: { origin: peerName, origin_server_ts: Date.now(), pdus: [{ event_id: "$1:x" }], edus: [
      { edu_type: "m.direct_to_device", content: { sender, type: "m.dummy", message_id: "1", messages: { [userId]: { "*": { a: 1 } } } } },
      { edu_type: "m.device_list_update", content: { user_id: sender, device_id: "B", stream_id: 1, prev_id: [] } },
      { edu_type: "m.signing_key_update", content: { user_id: sender } },
    ] } };
  }),
  call("PUT /_matrix/federation/v1/send/{txnId}", 400, "too many events", () => ({ signed: true, txnId: "2", body: {
    origin: peerName, origin_server_ts: 1, pdus: Array(51).fill({}), edus: [] } })),
  call("PUT /_matrix/federation/v1/send/{txnId}", 403, "another server's", () => ({ signed: true, txnId: "3", body: {
    origin: "hs3.localhost", origin_server_ts: 1, pdus: [], edus: [] } })),
];

const deleting = (user, { deviceId, ...body }) => ({ token: user.token, deviceId, body: { ...body, auth: passwordAuth(user) } });
const filter = ({ userId, token }, more) => ({ userId, token, ...more });
const uploading = (user, body) => ({ token: user.token, body: body(user) });

// Users with matrix-js-sdk, as an application drives it: register or log in, start the client, receive by its own /sync loop.
import { ClientEvent, MemoryStore, SyncState, createClient } from "matrix-js-sdk";
import { SlidingSync } from "matrix-js-sdk/lib/sliding-sync.js";
import { startNetwork } from "./network.js";
import { Inbox } from "./inbox.js";

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, getChild: () => silent };
export const password = "correct horse battery staple";

export async function register(homeserver, localpart, deviceId) {
  const account = { username: localpart, password, device_id: deviceId, initial_device_display_name: deviceId };
  const client = connect(homeserver.url);
  const flows = await client.registerRequest(account).then(
    () => { throw new Error("Registering without auth was accepted."); },
    (error) => error.data);
  const auth = { type: flows.flows[0].stages[0], session: flows.session };
  return session(homeserver, await client.registerRequest({ ...account, auth }));
}

export async function login(homeserver, localpart, deviceId) {
  return session(homeserver, await connect(homeserver.url).loginRequest({
    type: "m.login.password",
    identifier: { type: "m.id.user", user: localpart },
    password,
    device_id: deviceId,
  }));
}

// A running client behind a network of its own. prepare gets the client before it starts. cryptoCallbacks are for a client that
// has secrets on the server. With sliding, its time-out in milliseconds, it has a sliding sync in the place of /sync.
export async function start(homeserver, { userId, deviceId, accessToken, cryptoCallbacks }, prepare = () => {}, { sliding } = {}) {
  const network = await startNetwork(homeserver.url);
  const client = connect(network.url, { userId, deviceId, accessToken, cryptoCallbacks });
  await prepare(client);
  const inbox = new Inbox(client);
  // Reconnect as soon as the connection is lost, as an application does when the system reports a new network;
  // left alone, the SDK waits for seconds.
  client.on(ClientEvent.Sync, (state) => {
    if (state === SyncState.Reconnecting || state === SyncState.Error) client.retryImmediately();
  });
  const prepared = inbox.until(() => client.isInitialSyncComplete(), "the first sync");
  const slidingSync = sliding && new SlidingSync(network.url, roomList(), {}, client, sliding);
  await client.startClient({ disablePresence: true, slidingSync });
  await prepared;
  return { userId, deviceId, accessToken, client, inbox, network, send, stop };

  // The receivers are devices (sessions will do), or { userId, deviceId: "*" }.
  function send(eventType, txnId, receivers, content) {
    return client.sendToDevice(eventType, contentMap(receivers, content), txnId);
  }

  function stop() {
    client.stopClient();
    client.http.abort();
    network.stop();
  }
}

export const everyDeviceOf = ({ userId }) => ({ userId, deviceId: "*" });

function contentMap(receivers, content) {
  const users = new Map();
  for (const { userId, deviceId } of receivers) {
    if (!users.has(userId)) users.set(userId, new Map());
    users.get(userId).set(deviceId, content);
  }
  return users;
}

// As an application would ask for its rooms, if there were any.
function roomList() {
  return new Map([["all", { ranges: [[0, 20]], timeline_limit: 1, required_state: [] }]]);
}

function connect(baseUrl, credentials = {}) {
  return createClient({ baseUrl, ...credentials, store: new MemoryStore(), logger: silent });
}

function session({ serverName }, { user_id: userId, device_id: deviceId, access_token: accessToken }) {
  if (!userId.endsWith(`:${serverName}`)) throw new Error(`${userId} is not a user of ${serverName}.`);
  return { userId, deviceId, accessToken };
}

// The homeserver, another server that it talks to, and users with their keys.
import { startHomeserver } from "../../Clients/support/homeserver.js";
import { exchange } from "./exchange.js";
import { peerName, startPeer } from "./peer.js";
import { newKey, signed } from "./signing.js";

export const password = "correct horse battery staple";
export const algorithm = "signed_curve25519";

let users = 0;

export async function startWorld() {
  const peer = await startPeer();
  try {
    const homeserver = await startHomeserver({ [`Federation:Peers:${peerName}`]: peer.url, PasswordIterations: "1" });
    return { peer, homeserver, user: (options) => register(homeserver, options), stop };

    async function stop() {
      peer.stop();
      await homeserver.stop();
    }
  } catch (error) {
    peer.stop();
    throw error;
  }
}

// A user with one device.
async function register({ url, serverName }, { withKeys = false, ...options } = {}) {
  const username = `user${++users}`;
  const body = { username, password, device_id: "PHONE", initial_device_display_name: "phone", auth: { type: "m.login.dummy" }, ...options };
  const { json } = await post("register", body);
  const user = { username, userId: json.user_id, deviceId: "PHONE", token: json.access_token, refreshToken: json.refresh_token, serverName, post };
  if (withKeys) await post("keys/upload", deviceKeysOf(user), user.token);
  return user;

  async function post(path, content, token) {
    const answer = await exchange(url, "POST", `/_matrix/client/v3/${path}`, { body: content, token });
    if (answer.status !== 200) throw new Error(`POST ${path} answered ${answer.status}: ${answer.body}`);
    return answer;
  }
}

export const passwordAuth = ({ userId }) => ({ type: "m.login.password", identifier: { type: "m.id.user", user: userId }, password });

// What a client uploads before it encrypts.
export function deviceKeysOf({ userId, deviceId }) {
  const key = newKey(deviceId);
  const sign = (json) => signed(json, userId, key);
  const algorithms = ["m.olm.v1.curve25519-aes-sha2", "m.megolm.v1.aes-sha2"];
  const keys = { [`curve25519:${deviceId}`]: newKey().publicKey, [key.id]: key.publicKey };
  return {
    device_keys: sign({ user_id: userId, device_id: deviceId, algorithms, keys }),
    one_time_keys: { [`${algorithm}:AAAAAQ`]: sign({ key: newKey().publicKey }) },
    fallback_keys: { [`${algorithm}:AAAAFA`]: sign({ key: newKey().publicKey, fallback: true }) },
  };
}

export function crossSigningOf({ userId }) {
  const [master, selfSigning, userSigning] = [newKey(), newKey(), newKey()];
  const keyOf = (key, usage) => ({ user_id: userId, usage: [usage], keys: { [key.id]: key.publicKey } });
  return {
    master,
    selfSigning,
    upload: {
      master_key: keyOf(master, "master"),
      self_signing_key: signed(keyOf(selfSigning, "self_signing"), userId, master),
      user_signing_key: signed(keyOf(userSigning, "user_signing"), userId, master),
    },
  };
}

// The Matrix SDK and its encryption: most of the page's weight, and loaded while the visitor reads.
import { UserId, initAsync } from "@matrix-org/matrix-sdk-crypto-wasm";
import { createClient, MemoryStore } from "matrix-js-sdk";
import wasm from "../node_modules/@matrix-org/matrix-sdk-crypto-wasm/pkg/matrix_sdk_crypto_wasm_bg.wasm";

export { UserId };
export { ClientEvent, ConnectionError, HttpApiEvent, SyncState } from "matrix-js-sdk";
export { CryptoEvent, VerificationPhase, VerificationRequestEvent, VerifierEvent } from "matrix-js-sdk/lib/crypto-api/index.js";

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {}, getChild: () => silent };
const baseUrl = location.origin;

export const ready = initAsync(new URL(wasm, import.meta.url));

// With stores of its own, in memory: devices of one page, and pages of one browser, do not meet in them.
export function connect(session, fetchFn) {
  return createClient({ baseUrl, ...session, fetchFn, store: new MemoryStore(), logger: silent, verificationMethods: ["m.sas.v1"], disableVoip: true });
}

export async function register({ user, password, deviceId }) {
  return sessionOf(await connect().registerRequest({
    username: user, password, device_id: deviceId, initial_device_display_name: deviceId, auth: { type: "m.login.dummy" },
  }));
}

export async function login({ user, password, deviceId }) {
  return sessionOf(await connect().loginRequest({
    type: "m.login.password", identifier: { type: "m.id.user", user }, password,
    device_id: deviceId, initial_device_display_name: deviceId,
  }));
}

function sessionOf({ user_id: userId, device_id: deviceId, access_token: accessToken }) {
  return { userId, deviceId, accessToken };
}

// Clients that encrypt: with matrix-js-sdk's Rust crypto, whose keys are kept in memory.
import { once } from "node:events";
import { UserId } from "@matrix-org/matrix-sdk-crypto-wasm";
import { ClientEvent } from "matrix-js-sdk";
import { CryptoEvent, VerificationPhase, VerificationRequestEvent, VerifierEvent } from "matrix-js-sdk/lib/crypto-api/index.js";
import { password, start } from "./clients.js";

const sas = "m.sas.v1";

export async function startEncrypted(homeserver, session, options) {
  const device = await start(homeserver, session, (client) => client.initRustCrypto({ useIndexedDB: false }), options);
  device.crypto = device.client.getCrypto();
  device.decrypted = [];
  device.client.on(ClientEvent.ReceivedToDeviceMessage, ({ message, encryptionInfo }) => {
    if (encryptionInfo) device.decrypted.push({ ...message, encryptionInfo });
  });
  await keysAreUploaded(device);
  return device;
}

// A user's identity: keys that sign the user's devices, and other users.
export function bootstrap({ client, crypto, userId }) {
  return crypto.bootstrapCrossSigning({
    authUploadDeviceSigningKeys: (upload) => withPassword(upload, client, userId),
  });
}

// First without authentication, as clients do; then with what the server asks for.
export async function withPassword(upload, client, userId) {
  try {
    await upload(null);
  } catch ({ data }) {
    await upload({ type: data.flows[0].stages[0], session: data.session, identifier: { type: "m.id.user", user: userId }, password });
  }
}

// One device asks, the other accepts, and both compare the same emoji. The SDK passes over a request from a device that it does not know
// yet, and that can come faster than the keys of a device that has just been made.
export async function verify(asking, asked) {
  await eventually(
    asked, async () => (await asked.crypto.getUserDeviceInfo([asking.userId])).get(asking.userId)?.has(asking.deviceId), "the device that asks");
  const received = once(asked.client, CryptoEvent.VerificationRequestReceived);
  const request = await (asking.userId === asked.userId
    ? asking.crypto.requestOwnUserVerification()
    : asking.crypto.requestDeviceVerification(asked.userId, asked.deviceId));
  const [incoming] = await received;
  await incoming.accept();
  await phase(request, VerificationPhase.Ready);
  const verifier = await request.startVerification(sas);
  const seen = Promise.all([compare(verifier), phase(incoming, VerificationPhase.Started).then(() => compare(incoming.verifier))]);
  const shown = await seen;
  await Promise.all([phase(request, VerificationPhase.Done), phase(incoming, VerificationPhase.Done)]);
  return shown;
}

// Has the SDK follow other users' devices, as it does with the members of its encrypted rooms. Rooms are the only reason that
// it knows, and there are none here: so it is told past its public interface.
export async function follow({ crypto }, ...users) {
  const userIds = () => users.map(({ userId }) => new UserId(userId));
  await crypto.olmMachine.updateTrackedUsers(userIds());
  await crypto.outgoingRequestProcessor.makeOutgoingRequest(crypto.olmMachine.queryKeysForUsers(userIds()));
}

async function compare(verifier) {
  let emoji;
  verifier.on(VerifierEvent.ShowSas, (shown) => {
    emoji = shown.sas.emoji.map(([, name]) => name).join(", ");
    return shown.confirm();
  });
  await verifier.verify();
  return emoji;
}

async function phase(request, wanted) {
  while (request.phase !== wanted) {
    if (request.phase === VerificationPhase.Cancelled) throw new Error(`Verification was cancelled: ${request.cancellationCode}`);
    await once(request, VerificationRequestEvent.Change);
  }
}

// Resolves as soon as the condition, which takes its time, holds after something was received or known users' keys have changed.
export function eventually({ client, inbox }, condition, what) {
  let holds = false, looking = false, again = false;
  const look = async () => {
    again = looking;
    if (looking || holds) return;
    looking = true;
    holds = await condition();
    looking = false;
    if (holds) inbox.check();
    else if (again) await look();
  };
  client.on(CryptoEvent.DevicesUpdated, look);
  client.on(CryptoEvent.UserTrustStatusChanged, look);
  client.on(ClientEvent.Sync, look);
  look();
  return inbox.until(() => holds, what);
}

// The SDK uploads its keys by itself, after the first sync.
const keysAreUploaded = (device) => eventually(
  device,
  async () => (await device.crypto.getUserDeviceInfo([device.userId], true)).get(device.userId)?.has(device.deviceId),
  "its own keys on the server");

// One device: the SDK's client with its encryption, the network that it is on, and what the page knows about it.
import { Changes } from "./changes.js";
import { soon } from "./dom.js";
import { Journal, messageType, throughputType } from "./journal.js";
import { Network } from "./network.js";
import { ClientEvent, CryptoEvent, HttpApiEvent, SyncState, UserId, connect, ready } from "./sdk.js";
import { readInbox } from "./server.js";
import { Verification } from "./verification.js";

const idKey = "org.matrix.msgid";

export class Device extends Changes {
  network = new Network();
  journal = new Journal(this);
  inbox = { pending: [], has_more: false, acknowledged: null };
  ready = false; // for others of the page to send to
  state = "starting"; // connected, cutOff, reconnecting, ended
  secrets = 0; // how many of the three private keys of its user's identity it has
  signed = false; // by its user's identity
  verification;
  ended = new AbortController();

  onThroughput = () => {};

  #reading = Promise.resolve();
  #look = soon(() => this.refreshInbox(), 150);
  #lookAtTrust = soon(() => this.#refreshTrust(), 150);

  constructor({ userId, deviceId, accessToken }, { name, password, letter, ledger }) {
    super();
    Object.assign(this, { userId, deviceId, accessToken, name, password, letter, ledger });
    this.client = connect({ userId, deviceId, accessToken }, this.network.fetch);
    this.network.onAttempt = (request) => this.journal.attempt(request);
    this.network.onEnd = (attempt, outcome) => this.#attemptEnded(attempt, outcome);
    this.network.onSync = (sync) => this.#synced(sync);
    this.network.onSwitch = () => this.changed();
  }

  get timeline() {
    return this.journal.timeline;
  }

  get crypto() {
    return this.client.getCrypto();
  }

  async start() {
    await ready;
    await this.client.initRustCrypto({ useIndexedDB: false });
    this.client.on(ClientEvent.Sync, (state) => this.#syncState(state));
    this.client.on(ClientEvent.ReceivedToDeviceMessage, (received) => this.#received(received));
    this.client.on(HttpApiEvent.SessionLoggedOut, () => this.end("The server does not know this device any more."));
    this.client.on(CryptoEvent.VerificationRequestReceived, (request) => this.#verify(request));
    const prepared = new Promise((resolve) => this.client.once(ClientEvent.Sync, resolve));
    await this.client.startClient({ disablePresence: true });
    await prepared;
    await this.#setUpIdentity();
    await this.#refreshTrust();
  }

  // The first device of a user makes the user's identity (cross-signing); others get its secrets when they are verified.
  async #setUpIdentity() {
    if (await this.crypto.userHasCrossSigningKeys(this.userId, true)) return;
    const identifier = { type: "m.id.user", user: this.userId };
    await this.crypto.bootstrapCrossSigning({
      authUploadDeviceSigningKeys: (upload) => upload({ type: "m.login.password", identifier, password: this.password }),
    });
    this.timeline.note("Made the keys of its user’s identity (cross-signing).", "key");
  }

  // The SDK follows the devices of those with whom it shares a room. There are no rooms here, so its encryption is told whom
  // it will meet; by parts that it does not offer to applications.
  async follow(userIds) {
    const users = () => userIds.map((userId) => new UserId(userId));
    const machine = this.crypto.getOlmMachineOrThrow();
    await machine.updateTrackedUsers(users());
    await this.crypto.outgoingRequestProcessor.makeOutgoingRequest(machine.queryKeysForUsers(users()));
  }

  async send(devices, text, encrypted) {
    const content = { text };
    const targets = devices.map(({ userId, deviceId }) => ({ userId, deviceId }));
    const messages = encrypted
      ? await this.#encrypt(targets, content)
      : { eventType: messageType, batch: targets.map((target) => ({ ...target, payload: content })) };
    for (const message of messages.batch) message.payload = { ...message.payload, [idKey]: crypto.randomUUID() };
    await this.client.queueToDevice(messages);
  }

  async #encrypt(targets, content) {
    const messages = await this.crypto.encryptToDeviceMessages(messageType, targets, content);
    if (messages.batch.length < targets.length) throw new Error("A receiver has no keys on the server: it cannot be encrypted for it.");
    return messages;
  }

  async requestVerification({ userId, deviceId }) {
    this.#verify(await this.crypto.requestDeviceVerification(userId, deviceId));
  }

  #verify(request) {
    this.verification = new Verification(request);
    this.verification.onChange(() => {
      if (this.verification.step === "done") this.#lookAtTrust();
      this.changed();
    });
    this.changed();
  }

  flip(name, on) {
    delete this.journal.happened[name];
    if (name === "cutOff") return this.#cut(on);
    this.network[name] = on;
    this.changed();
  }

  #cut(off) {
    this.network.cut(off);
    this.journal.cut(off);
    this.state = off ? "cutOff" : "reconnecting";
    this.changed();
    if (!off) this.reconnect();
  }

  // An application does this when the system reports a network; left alone, the SDK waits for seconds.
  reconnect() {
    this.client.retryImmediately();
  }

  async logout() {
    this.network.cut(false);
    this.state = "ended"; // its inbox is not asked for any more
    await this.#reading;
    await this.client.logout(true).catch(() => {}); // it is gone already
    this.end("Logged out.");
  }

  end(why) {
    this.client.stopClient();
    this.state = "ended";
    this.timeline.note(why, "network");
    this.ended.abort();
    this.changed();
  }

  // What the server says about the inbox: not by the device's network, but from the outside.
  refreshInbox() {
    this.#reading = this.#reading.then(() => this.#readInbox());
    return this.#reading;
  }

  async #readInbox() {
    if (this.state === "ended") return;
    try {
      const inbox = await readInbox(this.accessToken);
      // After a restart the server cannot tell what it had handed out before; it is gone all the same.
      inbox.acknowledged ??= this.inbox.acknowledged;
      this.inbox = inbox;
      this.changed();
    } catch (error) {
      if (error.errcode === "M_UNKNOWN_TOKEN") this.end("The server does not know this device any more.");
    }
  }

  // Asked of the encryption itself: by the SDK's own question for it, the server would be asked too, at any bad time.
  async #refreshTrust() {
    if (this.state === "ended") return;
    const { hasMaster, hasSelfSigning, hasUserSigning } = await this.crypto.getOlmMachineOrThrow().crossSigningStatus();
    const secrets = [hasMaster, hasSelfSigning, hasUserSigning].filter(Boolean).length;
    if (secrets > this.secrets && this.journal.asked.size > 0) this.timeline.note(`Has ${secrets} of the 3 secrets of its user’s identity.`, "key");
    this.secrets = secrets;
    if (this.state === "ended") return;
    const own = await this.crypto.getDeviceVerificationStatus(this.userId, this.deviceId);
    this.signed = own?.signedByOwner ?? false;
    this.changed();
  }

  async trusts({ userId, deviceId }) {
    try {
      const status = await this.crypto?.getDeviceVerificationStatus(userId, deviceId);
      return status?.isVerified() ?? false;
    } catch (error) {
      if (this.state === "ended") return false; // its encryption has ended with it
      throw error;
    }
  }

  #syncState(state) {
    if (this.state === "ended") return;
    const synced = state === SyncState.Prepared || state === SyncState.Syncing || state === SyncState.Catchup;
    this.state = this.network.cutOff ? "cutOff" : synced ? "connected" : "reconnecting";
    if (state === SyncState.Reconnecting && !this.network.cutOff) this.reconnect();
    if (state === SyncState.Syncing) this.#lookAtTrust();
    this.changed();
  }

  #attemptEnded(attempt, outcome) {
    this.journal.attemptEnded(attempt, outcome);
    this.ledger.arrived();
    this.changed();
  }

  #synced(sync) {
    this.journal.synced(sync);
    this.#look();
  }

  #received(received) {
    const { type, content } = received.message;
    if (type === throughputType) this.onThroughput(content);
    else this.journal.received(received);
  }
}

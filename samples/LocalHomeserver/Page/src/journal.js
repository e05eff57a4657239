// What one device's requests tell: its timeline, and for each switch what happened when it was used.
import { count, duration } from "./dom.js";
import { recipientsOf } from "./ledger.js";
import { Timeline, story } from "./timeline.js";

export const messageType = "org.example.message";
export const throughputType = "org.example.throughput"; // so many that the timeline leaves them out

export class Journal {
  timeline = new Timeline();
  happened = {}; // by switch: a send, or words
  asked = new Set(); // the secrets that the device has asked its user's other devices for

  #response; // the last sync response with messages, and what of it is in the timeline
  #lost; // the sync response that the device did not get
  #cutSince;
  #cameBack = false;

  constructor(device) {
    this.device = device;
  }

  tell(name) {
    const happened = this.happened[name];
    return typeof happened === "object" ? story(happened) : happened;
  }

  // Another try of a send: the same path is the same transaction.
  attempt({ path, eventType, txnId, body }) {
    let send = [...this.timeline.entries, ...Object.values(this.happened)].find((entry) => entry.path === path);
    if (!send) {
      send = eventType === throughputType
        ? { attempts: [], delivered: new Map() }
        : this.timeline.sending({ eventType, txnId, recipients: recipientsOf(body), encrypted: eventType === "m.room.encrypted" });
      send.path = path;
      this.device.ledger.sent(this.timeline, send, body);
    }
    if (eventType === "m.secret.request") this.#asks(body);
    for (const name of ["loseAnswer", "duplicate"]) if (this.device.network[name]) this.happened[name] = send;
    const attempt = { at: Date.now() };
    send.attempts.push(attempt);
    return attempt;
  }

  attemptEnded(attempt, outcome) {
    Object.assign(attempt, outcome, { took: Date.now() - attempt.at });
    this.timeline.changed();
  }

  #asks(body) {
    for (const devices of Object.values(JSON.parse(body).messages))
      for (const { action, name } of Object.values(devices)) if (action === "request") this.asked.add(name);
  }

  cut(off) {
    this.timeline.note(off ? "Cut off." : "Back.", "network");
    this.#cameBack = !off;
    if (off) this.#cutSince = Date.now();
    else this.#tellBack("Nothing had come in the meantime.");
  }

  #tellBack(what) {
    this.happened.cutOff = `Back after ${duration(Date.now() - this.#cutSince)}. ${what}`;
  }

  synced({ since, nextBatch, events, lost }) {
    if (this.#response?.nextBatch === since) {
      for (const entry of this.#response.entries) entry.acknowledged = true;
      this.timeline.changed();
      this.#response = undefined;
    }
    if (this.#cameBack && events.length > 0) this.#tellBack(`${count(events.length, "message")} had waited in its inbox, and came with the first sync.`);
    this.#cameBack = false;
    if (events.length === 0) return;

    if (lost) {
      this.#lost = { since, events };
      this.timeline.note(`A response with ${count(events.length, "message")} was lost on the way.`, "network");
      this.happened.loseDelivery = "Lost. The inbox still holds what was in it.";
      return;
    }
    if (this.#lost) this.#compare(this.#lost, { since, events });
    this.#lost = undefined;
    this.#response = { nextBatch, entries: [] };
    for (const event of events) this.device.ledger.delivered(event, this.device.name);
  }

  // The same sync again brings the same messages, perhaps with more behind them.
  #compare(lost, now) {
    const same = lost.since === now.since && lost.events.every((event, i) => JSON.stringify(event) === JSON.stringify(now.events[i]));
    this.happened.loseDelivery = same
      ? `Lost once. The same sync, sent again, brought the same ${count(lost.events.length, "message")}.`
      : "Lost, and the next sync brought something else: this should not happen.";
  }

  received({ message: { type, sender, content }, encryptionInfo }) {
    const text = type === messageType ? content.text : undefined;
    const entry = this.timeline.received({ eventType: type, sender, text, encrypted: Boolean(encryptionInfo) });
    this.#response?.entries.push(entry);
  }
}

// Who got which message. SDKs give every message an ID to follow it by (org.matrix.msgid), also beside encrypted content: so
// what one device of this page sent can be found again in what another one received.
const idKey = "org.matrix.msgid";
const limit = 5000;

export class Ledger {
  #sends = new Map();

  // An inbox may hold something new.
  arrived = () => {};

  sent(timeline, entry, body) {
    for (const devices of Object.values(JSON.parse(body).messages))
      for (const content of Object.values(devices)) this.#remember(content[idKey], { timeline, entry });
  }

  delivered(event, deviceName) {
    const send = this.#sends.get(event.content[idKey]);
    if (!send) return;
    send.entry.delivered.set(deviceName, (send.entry.delivered.get(deviceName) ?? 0) + 1);
    send.timeline.changed();
  }

  #remember(id, send) {
    if (!id) return;
    this.#sends.set(id, send);
    if (this.#sends.size > limit) this.#sends.delete(this.#sends.keys().next().value);
  }
}

export function recipientsOf(body) {
  return Object.entries(JSON.parse(body).messages)
    .flatMap(([userId, devices]) => Object.keys(devices).map((deviceId) => ({ userId, deviceId })));
}

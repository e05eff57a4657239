import { Changes } from "./changes.js";

const limit = 80;

// What one device has done and got, the newest first.
export class Timeline extends Changes {
  entries = [];

  note(text, kind = "note") {
    return this.#add({ kind, text });
  }

  received(entry) {
    return this.#add({ kind: "received", ...entry });
  }

  sending({ eventType, txnId, recipients, encrypted }) {
    return this.#add({ kind: "sent", eventType, txnId, recipients, encrypted, attempts: [], delivered: new Map() });
  }

  #add(entry) {
    this.entries.unshift({ at: new Date(), ...entry });
    this.entries.length = Math.min(this.entries.length, limit);
    this.changed();
    return this.entries[0];
  }
}

// A send, from its first attempt to its deliveries, in words.
export function story(send) {
  const [first, ...others] = send.attempts;
  const words = [sentence(first.text ?? "under way")];
  others.forEach((attempt, i) => {
    const after = ((attempt.at - send.attempts[i].at) / 1000).toFixed(1);
    words.push(`Sent again after ${after} s, same transaction ID: ${attempt.text ?? "under way"}.`);
  });
  const deliveries = [...send.delivered].map(([device, times]) => `${device} ${times === 1 ? "once" : `${times} times`}`);
  if (deliveries.length > 0) words.push(`Delivered to ${deliveries.join(", ")}.`);
  return words.join(" ");
}

const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1)}.`;

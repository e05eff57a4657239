// Holds what was sent against what arrived. A stream is a row of messages that one device sent one after the other.
export class Ledger {
  #rows = new Map();

  sent(stream, number, devices) {
    for (const device of devices) this.#row(device, stream).sent.push(number);
  }

  received(device, stream, number) {
    this.#row(device, stream).received.push(number);
  }

  report() {
    const report = { delivered: 0, duplicates: 0, lost: 0, misdirected: 0, outOfOrder: 0 };
    for (const { sent, received } of this.#rows.values()) {
      const arrivals = [...new Set(received)];
      const wanted = arrivals.filter((number) => sent.includes(number));
      report.delivered += wanted.length;
      report.duplicates += received.length - arrivals.length;
      report.lost += sent.length - wanted.length;
      report.misdirected += arrivals.length - wanted.length;
      report.outOfOrder += arrivals.filter((number, i) => number < Math.max(...arrivals.slice(0, i))).length;
    }
    return report;
  }

  #row(device, stream) {
    const key = `${device} ${stream}`;
    if (!this.#rows.has(key)) this.#rows.set(key, { sent: [], received: [] });
    return this.#rows.get(key);
  }
}

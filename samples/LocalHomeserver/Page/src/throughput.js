// Many messages from one device to another: how fast they come, and that each comes once.
import { throughputType } from "./journal.js";
import { ConnectionError } from "./sdk.js";

const atATime = 4;

export class Throughput {
  sent = 0;
  answered = 0;
  retries = 0;
  doubles = 0;
  deliveries = []; // { at, roundTrip }, in milliseconds since the start

  constructor(from, to, count) {
    Object.assign(this, { from, to, count });
    this.run = crypto.randomUUID();
    this.started = performance.now();
    this.ended = this.started;
  }

  // Until the last message has come, or one of the devices has ended.
  async go(onProgress) {
    const sentAt = [];
    const seen = new Set();
    const { promise: allCame, resolve } = Promise.withResolvers();
    for (const { ended } of [this.from, this.to]) ended.signal.addEventListener("abort", resolve);

    this.to.onThroughput = ({ run, n }) => {
      if (run !== this.run) return;
      const now = performance.now();
      if (seen.has(n)) this.doubles++;
      else this.deliveries.push({ at: now - this.started, roundTrip: now - sentAt[n] });
      seen.add(n);
      this.ended = now;
      onProgress();
      if (seen.size === this.count) resolve();
    };

    const sender = async () => {
      while (this.sent < this.count && !this.#isOver) {
        const n = this.sent++;
        sentAt[n] = performance.now();
        await this.#send(n);
        this.answered++;
      }
    };
    await Promise.all(Array.from({ length: atATime }, sender));
    await allCame;
    this.to.onThroughput = () => {};
    onProgress();
  }

  get #isOver() {
    return this.from.ended.signal.aborted || this.to.ended.signal.aborted;
  }

  async #send(n) {
    const messages = new Map([[this.to.userId, new Map([[this.to.deviceId, { run: this.run, n }]])]]);
    while (!this.#isOver) {
      try {
        return await this.from.client.sendToDevice(throughputType, messages, `${this.run} ${n}`);
      } catch (error) {
        if (!(error instanceof ConnectionError) && error.httpStatus < 500) throw error;
        this.retries++;
        await new Promise((resolve) => setTimeout(resolve, 250));
      }
    }
  }

  summary() {
    const seconds = (this.ended - this.started) / 1000;
    const trips = this.deliveries.map(({ roundTrip }) => roundTrip).sort((a, b) => a - b);
    const at = (share) => Math.round(trips[Math.min(trips.length - 1, Math.floor(trips.length * share))] ?? 0);
    return {
      delivered: trips.length,
      perSecond: seconds > 0 ? Math.round(trips.length / seconds) : 0,
      median: at(0.5),
      p95: at(0.95),
    };
  }
}

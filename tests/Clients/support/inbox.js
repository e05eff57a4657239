// What a client has received, and waiting for it.
import { ClientEvent } from "matrix-js-sdk";

const patience = 20_000;

export class Inbox {
  messages = [];
  #checks = new Set();

  constructor(client) {
    client.on(ClientEvent.Sync, () => this.check());
    client.on(ClientEvent.ToDeviceEvent, (event) => {
      this.messages.push({ sender: event.getSender(), type: event.getType(), content: event.getContent() });
      this.check();
    });
  }

  // Something has happened that a condition may depend on.
  check() {
    this.#checks.forEach((waiting) => waiting());
  }

  get contents() {
    return this.messages.map((message) => message.content);
  }

  // Resolves as soon as the condition holds after something was received or a sync ended.
  until(condition, what) {
    return new Promise((resolve, reject) => {
      const deadline = setTimeout(() => settle(reject, new Error(`Waited in vain for ${what}.`)), patience);
      const check = () => { if (condition()) settle(resolve); };
      const settle = (end, value) => {
        clearTimeout(deadline);
        this.#checks.delete(check);
        end(value);
      };
      this.#checks.add(check);
      check();
    });
  }

  async holds(count) {
    await this.until(() => this.messages.length >= count, `${count} messages`);
    return this.messages;
  }
}

// The page, as a visitor uses it.
import { after, afterEach, before } from "node:test";
import { startHomeserver } from "../../Clients/support/homeserver.js";
import { startBrowser } from "./browser.js";

// For the tests of one file: a homeserver, a browser, and for each test a page that is looked at again at its end.
export function useTrial(settings) {
  let homeserver, browser, opened = [];
  before(async () => {
    homeserver = await startHomeserver({ PasswordIterations: "1", ...settings });
    browser = await startBrowser();
  });
  after(async () => {
    await browser?.stop();
    await homeserver?.stop();
  });
  afterEach(async () => {
    const pages = opened;
    opened = [];
    for (const { close } of pages) await close();
  });

  return async (options) => {
    const window = await browser.open(homeserver.url, options);
    opened.push(window);
    return new Trial(window);
  };
}

export class Trial {
  constructor({ page, watch }) {
    Object.assign(this, { page, watch });
  }

  // Two devices, as soon as they have their keys.
  async begin(who) {
    await this.page.getByRole("button", { name: who }).click();
    const devices = ["A", "B"].map((letter) => this.device(letter));
    for (const device of devices) await device.button("Verify").waitFor();
    return devices;
  }

  device(letter) {
    return new DeviceCard(this.page, letter);
  }
}

class DeviceCard {
  constructor(page, letter) {
    this.page = page;
    this.card = page.locator(`#device-${letter}`);
  }

  button(name) {
    return this.card.getByRole("button", { name });
  }

  async send(text, { encrypted = true } = {}) {
    await this.card.getByLabel("encrypted").setChecked(encrypted);
    await this.card.getByLabel("Message").fill(text);
    await this.button("Send").click();
  }

  flip(label) {
    return this.card.locator("label.switch", { hasText: label }).click();
  }

  // What the page tells about a switch.
  outcome(name, text) {
    return this.card.locator(`[data-switch=${name}]`, { hasText: text }).waitFor();
  }

  // Waits for this message, and returns all that came until then, in order.
  async receivedUntil(last) {
    await this.card.locator(".received .text", { hasText: new RegExp(`^${last}$`) }).first().waitFor();
    return (await this.card.locator(".received .text").allTextContents()).reverse();
  }

  // Resolves when the inbox on the server is shown like this.
  async inbox(pattern) {
    await this.card.locator(".sum", { hasText: pattern }).waitFor();
  }

  async emoji() {
    await this.card.locator(".emoji").waitFor();
    return this.card.locator(".emoji li").allTextContents();
  }

  says(text) {
    return this.card.getByText(text).first().waitFor();
  }
}

import { Changes } from "./changes.js";
import { deviceView } from "./deviceView.js";
import { byId, duration, soon, time } from "./dom.js";
import { Ledger } from "./ledger.js";
import { restartServer, serverFacts } from "./server.js";
import { throughputView } from "./throughputView.js";

const letters = ["A", "B", "C", "D"];
const stores = {
  sqlite: "SQLite, on this server’s disk",
  postgresql: "PostgreSQL",
  memory: "in memory only: a restart loses everything",
};

class Page extends Changes {
  devices = [];
  ledger = new Ledger();

  running = () => this.devices.filter(({ state }) => state !== "ended");
  othersOf = (device) => this.running().filter((other) => other !== device && other.ready && device.ready);
  named = (name) => this.devices.find((device) => device.name === name);
  idOf = ({ userId, deviceId }) => `device-${this.devices.find((one) => one.userId === userId && one.deviceId === deviceId)?.letter}`;
  nameOf = ({ userId, deviceId }) => deviceId === "*"
    ? `every device of ${userId.split(":")[0]}`
    : this.devices.find((one) => one.userId === userId && one.deviceId === deviceId)?.name ?? `${userId} ${deviceId}`;

  async add(how, account) {
    const letter = letters.find((one) => !this.devices.some((device) => device.letter === one));
    if (!letter) throw new Error("There are four devices already.");
    const [{ Device }, sdk] = await Promise.all([import("./device.js"), import("./sdk.js")]);
    const session = await sdk[how](account);
    const name = this.named(account.deviceId) ? `${account.deviceId} of ${account.user}` : account.deviceId;
    const device = new Device(session, { name, letter, password: account.password, ledger: this.ledger });
    this.devices.push(device);
    device.onChange(soon(() => this.changed()));
    byId("devices").append(deviceView(device, this));
    this.changed();
    await device.start();
    const userIds = [...new Set(this.running().map(({ userId }) => userId))];
    await Promise.all(this.running().map((each) => each.follow(userIds)));
    device.ready = true;
    this.changed();
  }

  async remove(device) {
    if (device.state !== "ended") await device.logout();
    this.devices = this.devices.filter((one) => one !== device);
    byId(`device-${device.letter}`).remove();
    this.changed();
  }
}

const page = new Page();
const inboxes = soon(() => page.running().forEach((device) => device.refreshInbox()), 150);
page.ledger.arrived = inboxes;
setInterval(() => { if (!document.hidden) inboxes(); }, 2000); // messages from other pages
throughputView(page);
page.onChange(() => {
  byId("start").hidden = page.devices.length > 0;
  byId("restart").disabled = page.running().length === 0 || restarting;
});

byId("one-user").addEventListener("click", () => begin(["alice", "PHONE"], ["alice", "LAPTOP"]));
byId("two-users").addEventListener("click", () => begin(["alice", "PHONE"], ["bob", "LAPTOP"]));
byId("add-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const { user, password, device } = event.target.elements;
  void work(`Adding ${device.value}…`, () => page.add(event.submitter.value, { user: user.value, password: password.value, deviceId: device.value }));
});
byId("restart").addEventListener("click", restart);

// New users with names that are not taken yet, most likely. The form can log in more devices of the first one.
function begin(...devices) {
  const suffix = crypto.randomUUID().slice(0, 4);
  const password = crypto.randomUUID();
  const known = new Set();
  void work("The devices log in and make their keys…", async () => {
    for (const [name, deviceId] of devices) {
      await page.add(known.has(name) ? "login" : "register", { user: `${name}-${suffix}`, password, deviceId });
      known.add(name);
    }
    const form = byId("add-form").elements;
    form.user.value = `${devices[0][0]}-${suffix}`;
    form.password.value = password;
    document.querySelector(".device h2").focus({ preventScroll: true });
  });
}

let restarting = false;
async function restart() {
  const happened = byId("restart-happened");
  const before = page.running().map((device) => ({ device, inbox: device.inbox }));
  const started = performance.now();
  restarting = true;
  happened.textContent = "Restarting…";
  page.changed();
  await work("", async () => {
    const facts = await restartServer(before[0].device.accessToken);
    const took = performance.now() - started;
    show(facts);
    await Promise.all(before.map(({ device }) => device.refreshInbox()));
    for (const { device } of before) {
      device.timeline.note("The server was restarted.", "network");
      if (device.state !== "ended") device.reconnect();
    }
    happened.textContent = `Restarted in ${duration(took)}. ${facts.store === "memory"
      ? "Accounts, devices and messages lived in memory: they are gone."
      : comparison(before)}`;
  });
  if (!byId("alert").hidden) happened.textContent = "";
  restarting = false;
  page.changed();
}

function comparison(before) {
  const changes = before.map(({ device, inbox }) => `${device.name} ${inbox.pending.length} → ${device.inbox.pending.length}`);
  const lost = before.some(({ device, inbox }) => received(device.inbox) < received(inbox));
  return `Messages in the inboxes, before and after: ${changes.join(", ")}. ${lost ? "Something is lost!" : "Nothing is lost."}`;
}

// All messages that an inbox ever got, as far as they are shown.
const received = ({ acknowledged, pending }) => (acknowledged ?? 0) + pending.length;

async function work(what, action) {
  const buttons = [...document.querySelectorAll("#start button, #add button")];
  byId("working").textContent = what;
  byId("alert").hidden = true;
  for (const button of buttons) button.disabled = true;
  try {
    await action();
  } catch (error) {
    byId("alert").hidden = false;
    byId("alert").textContent = error.data?.error ?? error.message;
  } finally {
    byId("working").textContent = "";
    for (const button of buttons) button.disabled = false;
    page.changed();
  }
}

function show({ server_name: name, store, started_ts: started }) {
  byId("server-facts").textContent = `${name}, running since ${time(new Date(started))}. Stores: ${stores[store]}.`;
  byId("restart-expect").textContent = store === "memory"
    ? "It keeps everything in memory: a restart loses accounts, devices and messages."
    : "It stops and starts again on what it has stored. Devices reconnect by themselves.";
}

show(await serverFacts());
if (!isSecureContext) {
  byId("alert").hidden = false;
  byId("alert").textContent = "Browsers encrypt only on https:// or on localhost: open this page as http://localhost.";
}

// Exactly once, in order, whatever the network does (R50-R57, D3, D11, D12).
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { register, login, start } from "./support/clients.js";
import { startHomeserver } from "./support/homeserver.js";
import { faults } from "./support/network.js";
import { storm } from "./support/storm.js";

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));
const perfect = { duplicates: 0, lost: 0, misdirected: 0, outOfOrder: 0, differentAnswers: 0 };

let homeserver;
before(async () => { homeserver = await startHomeserver(); });
after(() => homeserver?.stop());

test("Over bad networks every message arrives exactly once and in order", async (t) => {
  t.diagnostic(`storm: SEED=${seed} repeats this plan`);
  const report = await run("clear", { streams: 3, messages: 100, seed });
  t.diagnostic(`storm: ${inWords(report)}`);
  const { duplicates, lost, misdirected, outOfOrder, differentAnswers } = report;
  assert.deepEqual({ duplicates, lost, misdirected, outOfOrder, differentAnswers }, perfect);
  assert.ok(report.retries > 100 && report.lostSyncs > 0 && report.sentTwice > 0, "too little went wrong to prove anything");
});

test("The storm notices a server that answers 200 and delivers nothing", async () => {
  const report = await run("lossy", { streams: 2, messages: 20, seed: 1, sendFaults: [faults.pretence] });
  assert.ok(report.lost > 0);
  assert.equal(report.duplicates, 0);
});

test("The storm notices retries that are delivered again", async () => {
  const report = await run("double", { streams: 2, messages: 20, seed: 2, sendFaults: [faults.answerLost],
    nextTxnId: (txnId) => `${txnId} again` });
  assert.ok(report.duplicates > 0);
  assert.equal(report.lost, 0);
});

// { lostSyncs: 3 } is "3 lost syncs".
function inWords(counts) {
  const words = (name) => name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  return Object.entries(counts).map(([name, count]) => `${count} ${words(name)}`).join(", ");
}

async function run(name, options) {
  const devices = [];
  try {
    devices.push(await start(homeserver, await register(homeserver, `alice-${name}`, "ALICE1")));
    devices.push(await start(homeserver, await register(homeserver, `bob-${name}`, "BOB1")));
    devices.push(await start(homeserver, await login(homeserver, `bob-${name}`, "BOB2")));
    return await storm(homeserver, { devices, senders: devices.slice(0, 2), ...options });
  } finally {
    devices.forEach((device) => device.stop());
  }
}

// Hundreds of messages between real clients over bad networks. The seed makes the plan: who is sent what, and what goes wrong.
import { ClientEvent, MatrixError } from "matrix-js-sdk";
import { everyDeviceOf } from "./clients.js";
import { Ledger } from "./ledger.js";
import { faults, hasMessages, isSend, isSync, txnIdOf } from "./network.js";
import { raw } from "./raw.js";
import { seeded } from "./random.js";

const { requestLost, answerLost, answerCut, sentTwice, sentTwiceAnswersLost } = faults;
const realFaults = [requestLost, answerLost, answerCut, sentTwice, sentTwiceAnswersLost];
const eventType = "org.example.storm";
const nameOf = ({ userId, deviceId }) => `${userId}/${deviceId}`;

// Each sender has several streams at once; within a stream a message is sent when the one before it was answered.
// nextTxnId and sendFaults are there to be spoiled: a storm that can't fail proves nothing.
export async function storm(homeserver, { senders, devices, streams, messages, seed,
  sendFaults = realFaults, nextTxnId = (txnId) => txnId }) {
  const random = seeded(seed);
  const ledger = new Ledger();
  const tally = { sends: 0, retries: 0, lostSyncs: 0 };
  const planned = new Map();

  for (const device of devices) {
    const luck = seeded(seed + devices.indexOf(device) + 1);
    device.network.onRequest = (request) => isSend(request) ? planned.get(txnIdOf(request))?.shift() : undefined;
    device.network.onAnswer = (request, answer) => {
      if (!isSync(request) || !hasMessages(answer) || !luck.chance(0.25)) return undefined;
      tally.lostSyncs++;
      return luck.pick([faults.answerLost, faults.answerCut]);
    };
    device.client.on(ClientEvent.ToDeviceEvent, (event) => record(device, event.getType(), event.getContent()));
  }

  const plans = senders.flatMap((sender) => Array.from({ length: streams }, (_, i) => ({
    sender,
    stream: `${nameOf(sender)} stream ${i + 1}`,
    messages: Array.from({ length: messages }, () => ({ ...random.pick(receivers(devices)), faults: someFaults() })),
  })));
  await Promise.all(plans.map(run));

  // The last word of a stream goes to all, undisturbed: where it has arrived, nothing of its stream is still to come.
  // Where it never does, the report tells.
  const everyone = { address: devices, reached: devices };
  await Promise.all(plans.map((plan) => sendOne(plan, messages + 1, everyone)));
  await Promise.allSettled(devices.map((device) =>
    device.inbox.until(() => lastWords(device) >= plans.length, `the last word of every stream at ${nameOf(device)}`)));
  await Promise.all(devices.map(takeLeftovers));

  const sum = (count) => devices.reduce((total, { network }) => total + network[count], 0);
  return {
    ...tally,
    lostRequests: sum("lostRequests"),
    lostAnswers: sum("lostAnswers"),
    sentTwice: sum("sentTwice"),
    differentAnswers: sum("differentAnswers"),
    ...ledger.report(),
  };

  function someFaults() {
    const list = [];
    while (list.length < 3 && random.chance(0.3)) list.push(random.pick(sendFaults));
    return list;
  }

  async function run(plan) {
    for (const [i, message] of plan.messages.entries()) await sendOne(plan, i + 1, message);
  }

  async function sendOne({ sender, stream }, number, { address, reached, faults: trouble = [] }) {
    let txnId = `${stream} ${number}`;
    planned.set(txnId, [...trouble]);
    ledger.sent(stream, number, reached.map(nameOf));
    tally.sends++;
    for (;;) {
      try {
        return await sender.send(eventType, txnId, address, { stream, number, last: number > messages });
      } catch (error) {
        if (error instanceof MatrixError) throw error;
        tally.retries++;
        txnId = nextTxnId(txnId);
      }
    }
  }

  function record(device, type, { stream, number }) {
    if (type === eventType) ledger.received(nameOf(device), stream, number);
  }

  function lastWords(device) {
    return new Set(device.inbox.contents.filter(({ last }) => last).map(({ stream }) => stream)).size;
  }

  // What the server still has for a device whose client has acknowledged all is delivered twice.
  async function takeLeftovers(device) {
    device.stop();
    const { json } = await raw(homeserver, device).sync(device.client.store.getSyncToken());
    for (const { type, content } of json.to_device?.events ?? []) record(device, type, content);
  }
}

// One device, some devices, all devices of some users: how a send names them, and which devices it has to reach.
function receivers(devices) {
  const users = [...new Set(devices.map(({ userId }) => userId))];
  const of = (userId) => devices.filter((device) => device.userId === userId);
  return [
    ...devices.map((device) => ({ address: [device], reached: [device] })),
    ...users.map((userId) => ({ address: of(userId), reached: of(userId) })),
    ...users.map((userId) => ({ address: [everyDeviceOf({ userId })], reached: of(userId) })),
    { address: users.map((userId) => everyDeviceOf({ userId })), reached: devices },
    { address: devices, reached: devices },
  ];
}

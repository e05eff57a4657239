import { duration, h, time } from "./dom.js";

export function timelineView(device, page) {
  const list = h("ol", { class: "timeline", tabindex: "0", "aria-label": `Timeline of ${device.name}, the newest first` });
  const element = h("section", { class: "part", "aria-label": `Timeline of ${device.name}` }, h("h3", {}, "Timeline"), list);
  let stale = true;
  device.timeline.onChange(() => (stale = true));

  function draw() {
    if (!stale) return;
    stale = false;
    list.replaceChildren(...device.timeline.entries.map((entry) => line(entry, page)));
  }

  return { element, draw };
}

const lines = {
  sent: ({ eventType, recipients, encrypted, txnId, attempts, delivered }, page) => [
    h("p", {}, h("span", { class: "way", role: "img", "aria-label": "sent" }, "→"), type(eventType, encrypted), ` to ${recipients.map(page.nameOf).join(", ")}`),
    h("p", { class: "txn" }, "transaction ", h("code", {}, txnId)),
    h("ol", { class: "attempts" }, attempts.map(attempt)),
    [...delivered].map(([name, times]) =>
      h("p", { class: times === 1 ? "delivered" : "delivered wrong" }, `✓ delivered to ${name}, ${times === 1 ? "once" : `${times} times`}`)),
  ],
  received: ({ eventType, sender, text, encrypted, acknowledged }) => [
    h("p", {}, h("span", { class: "way", role: "img", "aria-label": "received" }, "←"), type(eventType, encrypted), ` from ${sender.split(":")[0]}`,
      h("span", { class: "ack" }, acknowledged ? " · acknowledged" : "")),
    text !== undefined && h("p", { class: "text" }, text),
  ],
  note: ({ text }) => [h("p", {}, text)],
};

function line(entry, page) {
  const write = lines[entry.kind] ?? lines.note;
  return h("li", { class: `entry ${entry.kind}` },
    h("time", { datetime: entry.at.toISOString() }, time(entry.at)), h("div", {}, write(entry, page)));
}

function attempt({ text, took, failed }, i) {
  const words = text === undefined ? "under way…" : `${text}, ${duration(took)}`;
  return h("li", { class: failed ? "failed" : "" }, i === 0 ? words : `again: ${words}`);
}

function type(eventType, encrypted) {
  return [h("code", {}, eventType), encrypted && h("span", { class: "badge lock" }, "encrypted")];
}

// The card of one device.
import { h, soon } from "./dom.js";
import { inboxView } from "./inboxView.js";
import { networkView } from "./networkView.js";
import { sendView } from "./sendView.js";
import { timelineView } from "./timelineView.js";
import { verificationView } from "./verificationView.js";

const states = {
  starting: "starting…",
  connected: "connected",
  cutOff: "cut off",
  reconnecting: "reconnecting…",
  ended: "ended",
};

export function deviceView(device, page) {
  const id = `device-${device.letter}`;
  const state = h("span", { class: "state", role: "status" });
  const trust = h("p", { class: "trust" });
  const close = h("button", { type: "button", class: "quiet", onclick: () => page.remove(device) }, "Log out");
  const parts = [sendView, verificationView, networkView, inboxView, timelineView].map((view) => view(device, page));
  const card = h("article", { class: "device", id, "aria-labelledby": `${id}-name`, "data-letter": device.letter },
    h("header", {},
      h("span", { class: "letter", "aria-hidden": "true" }, device.letter),
      h("div", { class: "who" },
        h("h2", { id: `${id}-name`, tabindex: "-1" }, device.deviceId),
        h("p", { class: "user" }, device.userId)),
      h("div", { class: "side" }, state, close)),
    trust,
    parts.map(({ element }) => element));

  const draw = soon(() => {
    card.dataset.state = device.state;
    if (state.textContent !== states[device.state]) state.textContent = states[device.state];
    close.textContent = device.state === "ended" ? "Remove" : "Log out";
    trust.replaceChildren(...trustWords(device));
    for (const { draw: drawPart } of parts) drawPart();
  });
  device.onChange(draw);
  device.timeline.onChange(draw);
  page.onChange(draw);
  draw();
  return card;
}

function trustWords({ signed, secrets }) {
  const badge = h("span", { class: signed ? "badge good" : "badge" }, signed ? "Verified by its user" : "Not verified");
  const words = secrets === 3 ? "holds the secrets of its user’s identity" : "holds no secrets of its user’s identity yet";
  return [badge, ` ${words}`];
}

import { h } from "./dom.js";

// On a phone, the other device is out of sight.
const words = {
  waiting: (other) => ["Waiting for ", other, "…"],
  confirmed: (other) => ["You say they match. Waiting for ", other, "…"],
  done: () => ["Verified: both saw the same emoji."],
};

export function verificationView(device, page) {
  const content = h("div", { class: "verification" });
  const element = h("section", { class: "part", "aria-label": `Verification on ${device.name}` }, h("h3", {}, "Verify"), content);
  let drawn;
  let drawing = Promise.resolve();

  // Only when it changes: a button that has the focus keeps it.
  async function redraw() {
    const others = page.othersOf(device);
    const trusted = await Promise.all(others.map((other) => device.trusts(other)));
    const { verification } = device;
    const key = JSON.stringify([device.state, others.map(({ name }) => name), trusted, verification?.step, verification?.other, verification?.emoji, device.journal.asked.size, device.secrets]);
    if (key === drawn) return;
    drawn = key;
    const hadFocus = content.contains(document.activeElement);
    content.replaceChildren(...current(verification, page), ...buttons(device, others, trusted, verification), ...keyRequest(device));
    if (hadFocus) content.querySelector("button:not(:disabled)")?.focus();
  }

  // One after the other: what was true before is not drawn over what is true now.
  return { element, draw: () => (drawing = drawing.then(redraw).catch(reportError)) };
}

function current(verification, page) {
  if (!verification) return [];
  const { step, emoji, other } = verification;
  const name = page.nameOf(other);
  const parts = [];
  if (emoji && (step === "comparing" || step === "confirmed")) {
    parts.push(h("ol", { class: "emoji" }, emoji.map(([picture, meaning]) =>
      h("li", {}, h("span", { class: "picture", "aria-hidden": "true" }, picture), h("span", {}, meaning)))));
  }
  if (step === "asked") {
    parts.push(h("p", { role: "status" }, `${name} wants to verify this device.`), h("div", { class: "row" },
      button("Accept", () => verification.accept(), "primary"), button("Decline", () => verification.cancel())));
  } else if (step === "comparing") {
    parts.push(h("p", { role: "status" }, `Does ${name} show the same emoji?`), h("div", { class: "row" },
      button("They match", () => verification.confirm(), "primary"), button("They do not match", () => verification.mismatch())));
  } else if (step === "cancelled") {
    parts.push(h("p", { role: "status" }, `The verification was cancelled (${verification.request.cancellationCode ?? "no reason given"}).`));
  } else {
    const link = h("a", { href: `#${page.idOf(other)}` }, name);
    parts.push(h("p", { class: step === "done" ? "good-news" : "", role: "status" }, words[step](link)));
    if (step === "waiting") parts.push(h("div", { class: "row" }, button("Cancel", () => verification.cancel())));
  }
  return parts;
}

// A device that its user has verified asks the others for the secrets of the identity.
function keyRequest({ journal: { asked }, secrets }) {
  if (asked.size === 0) return [];
  const answer = secrets === 3 ? "it now has those of the identity" : "no answer yet";
  return [h("p", { class: "key-request" }, "Asked its user’s devices for secrets (", h("code", {}, "m.secret.request"), `): ${answer}.`)];
}

function buttons(device, others, trusted, verification) {
  const busy = verification && verification.step !== "done" && verification.step !== "cancelled";
  if (busy) return [];
  return [h("ul", { class: "peers" }, others.map((other, i) => h("li", {}, trusted[i]
    ? h("span", { class: "badge good" }, `${other.name} is verified`)
    : button(`Verify ${other.name}`, () => device.requestVerification(other), "", device.state !== "connected"))))];
}

function button(text, onclick, kind = "", disabled = false) {
  return h("button", { type: "button", class: kind, onclick, disabled }, text);
}

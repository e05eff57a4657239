import { h } from "./dom.js";

const switches = [
  {
    name: "loseAnswer",
    label: "Lose the next answer",
    expect: "The next send gets through, but the connection breaks before its answer is back. The SDK cannot know, and sends again with the same transaction ID. It is delivered once.",
  },
  {
    name: "duplicate",
    label: "Send the next one twice",
    expect: "The next send reaches the server twice at the same time. Both copies are answered, and one message is delivered.",
  },
  {
    name: "loseDelivery",
    label: "Lose the next delivery",
    expect: "The next sync response with messages does not arrive. They stay in the inbox as handed out, and the next sync brings them again.",
  },
  {
    name: "cutOff",
    label: "Cut the device off",
    expect: "Nothing gets through. What others send waits in its inbox, what it sends waits in its SDK. Switch this off again: nothing is lost.",
  },
];

export function networkView(device) {
  const rows = switches.map((one) => row(device, one));
  const element = h("section", { class: "part", "aria-label": `Network of ${device.name}` },
    h("h3", {}, "Network"),
    h("div", { class: "switches" }, rows.map(({ control }) => control)),
    h("div", { class: "outcomes" }, rows.map(({ outcome }) => outcome)));
  return { element, draw: () => rows.forEach((one) => one.draw()) };
}

// What to expect while it is on, and what happened when it was.
function row(device, { name, label, expect }) {
  const id = `${device.letter}-${name}`;
  const box = h("input", {
    type: "checkbox", role: "switch", id, "aria-describedby": `${id}-expect`,
    onchange: () => device.flip(name, box.checked),
  });
  const control = h("div", {}, h("label", { class: "switch" }, box, label),
    h("span", { class: "visually-hidden", id: `${id}-expect` }, expect));
  const outcome = h("p", { role: "status", "data-switch": name });

  function draw() {
    const on = device.network[name];
    const happened = device.journal.tell(name);
    const text = happened ?? (on ? expect : "");
    box.checked = on;
    box.disabled = device.state === "ended";
    outcome.className = happened ? "happened" : "expect";
    if (outcome.textContent !== text) outcome.textContent = text;
  }

  return { control, outcome, draw };
}

import { h } from "./dom.js";

export function sendView(device, page) {
  const to = h("select", { name: "to", required: true });
  const text = h("input", { name: "text", required: true, value: "Hello", autocomplete: "off", maxlength: "500" });
  const encrypted = h("input", { type: "checkbox", name: "encrypted", checked: true });
  const problem = h("p", { class: "problem", role: "status" });
  const button = h("button", { type: "submit", class: "primary" }, "Send");
  const form = h("form", { class: "send", onsubmit: (event) => { event.preventDefault(); void send(); } },
    h("div", { class: "row" }, h("label", {}, "To ", to), h("label", { class: "check" }, encrypted, " encrypted")),
    h("div", { class: "row" }, h("label", { class: "grow" }, h("span", { class: "visually-hidden" }, "Message"), text), button));
  const element = h("section", { class: "part", "aria-label": `Send from ${device.name}` }, h("h3", {}, "Send"), form, problem);

  async function send() {
    problem.textContent = "";
    try {
      await device.send(targets(), text.value, encrypted.checked);
    } catch (error) {
      problem.textContent = error.message;
    }
  }

  function targets() {
    const others = page.othersOf(device);
    return to.value === "*" ? others : others.filter((other) => other.name === to.value);
  }

  function draw() {
    const others = page.othersOf(device);
    const options = others.map(({ name }) => [name, name]);
    if (others.length > 1) options.push(["*", "all of them"]);
    const key = JSON.stringify(options);
    if (to.dataset.key !== key) {
      const chosen = to.value;
      to.dataset.key = key;
      to.replaceChildren(...options.map(([value, label]) => h("option", { value }, label)));
      if (options.some(([value]) => value === chosen)) to.value = chosen;
    }
    button.disabled = others.length === 0 || device.state === "ended";
  }

  return { element, draw };
}

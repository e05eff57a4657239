import { h } from "./dom.js";

const shown = 12;

// The inbox as the server sees it: a tile for each position, and a line for each message that is pending.
export function inboxView(device) {
  const sum = h("p", { class: "sum" });
  const tiles = h("ol", { class: "tiles", "aria-hidden": "true" });
  const list = h("ol", { class: "pending" });
  const element = h("section", { class: "part", "aria-label": `Inbox of ${device.name}` },
    h("h3", {}, "Inbox on the server"), sum, tiles, list);
  let drawn;

  function draw() {
    if (drawn === device.inbox) return;
    drawn = device.inbox;
    const { pending, has_more: more, acknowledged } = device.inbox;
    const handedOut = pending.filter((message) => message.handed_out).length;
    sum.replaceChildren(
      number(pending.length - handedOut, more ? "+ waiting" : " waiting", "waiting"), " · ",
      number(handedOut, " handed out", "handed-out"), " · ",
      number(acknowledged ?? "–", " acknowledged", "acknowledged"));
    tiles.replaceChildren(...tilesOf(pending, acknowledged ?? 0));
    list.replaceChildren(...pending.slice(0, shown).map(line), ...rest(pending.length, more));
  }

  return { element, draw };
}

const number = (n, what, kind) => h("span", { class: `count ${kind}` }, h("b", {}, String(n)), what);

// The last positions that are acknowledged, then those that are not.
function tilesOf(pending, acknowledged) {
  const open = pending.slice(0, shown).map(({ position, handed_out: handedOut }) => tile(position, handedOut ? "handed-out" : "waiting"));
  const gone = Math.min(acknowledged, shown - Math.min(open.length, shown - 3));
  return [...Array.from({ length: gone }, (_, i) => tile(acknowledged - gone + i + 1, "acknowledged")), ...open];
}

const tile = (position, kind) => h("li", { class: `tile ${kind}` }, String(position));

function line({ position, sender, type, handed_out: handedOut }) {
  return h("li", {},
    h("span", { class: "position" }, `#${position}`), h("code", {}, type), ` from ${sender.split(":")[0]}`,
    h("span", { class: handedOut ? "mark handed-out" : "mark waiting" }, handedOut ? "handed out" : "waiting"));
}

function rest(length, more) {
  if (length <= shown) return [];
  return [h("li", { class: "rest" }, `and ${length - shown}${more ? " or more" : ""} behind them`)];
}

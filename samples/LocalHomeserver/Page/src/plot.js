// Two plots above one time axis: messages delivered in a second, and what each took from its send to its delivery.
import { svg } from "./dom.js";

const width = 640, left = 56, right = 12, plotHeight = 120, gap = 40, top = 22;
const inner = width - left - right;

export function plot(deliveries) {
  const end = Math.max(200, ...deliveries.map(({ at }) => at));
  const bucket = end / 40;
  const rates = Array(40).fill(0);
  for (const { at } of deliveries) rates[Math.min(39, Math.floor(at / bucket))] += 1000 / bucket;
  const highestRate = nice(Math.max(...rates));
  const slowest = nice(Math.max(1, ...deliveries.map(({ roundTrip }) => roundTrip)));
  const x = (at) => left + (at / end) * inner;
  const second = top + plotHeight + gap;
  const bottom = second + plotHeight;

  return svg("svg", { viewBox: `0 0 ${width} ${bottom + 34}`, role: "img", "aria-label": "Delivered messages a second, and round trips, over time" },
    axis(top, "delivered a second", highestRate, ""),
    rates.map((rate, i) => svg("rect", {
      class: "bar", x: x(i * bucket) + 1, width: inner / 40 - 2,
      y: top + plotHeight * (1 - rate / highestRate), height: plotHeight * (rate / highestRate),
    })),
    axis(second, "from send to delivery", slowest, " ms"),
    deliveries.map(({ at, roundTrip }) => svg("circle", { class: "dot", cx: x(at), cy: second + plotHeight * (1 - roundTrip / slowest), r: 2 })),
    text(left, bottom + 18, "0", "middle"),
    text(left + inner, bottom + 18, `${(end / 1000).toFixed(1)} s`, "end"));
}

function axis(y, title, highest, unit) {
  return [
    [0, 0.5, 1].map((share) => [
      svg("line", { class: share === 0 ? "base" : "grid", x1: left, x2: left + inner, y1: y + plotHeight * (1 - share), y2: y + plotHeight * (1 - share) }),
      text(left - 8, y + plotHeight * (1 - share) + 4, `${highest * share}${unit}`, "end"),
    ]).flat(),
    text(left, y - 8, title, "start"),
  ].flat();
}

const text = (x, y, words, anchor) => svg("text", { x, y, "text-anchor": anchor }, words);

// The next of 10, 20, 40, 50, 100, 200, …
function nice(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(10, value)));
  return [1, 2, 4, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= value);
}

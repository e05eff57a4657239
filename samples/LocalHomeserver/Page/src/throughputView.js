import { byId, count, h, soon } from "./dom.js";
import { plot } from "./plot.js";
import { Throughput } from "./throughput.js";

export function throughputView(page) {
  const panel = byId("throughput"), form = byId("throughput-form"), status = byId("throughput-status"), picture = byId("plot");
  const { from, to, count: amount } = form.elements;
  const button = form.querySelector("button");

  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const run = new Throughput(page.named(from.value), page.named(to.value), amount.valueAsNumber);
    if (run.from === run.to) return void (status.textContent = "Choose two devices.");
    button.disabled = true;
    let over = false;
    const draw = soon(() => { if (!over) progress(run); }, 100);
    try {
      await run.go(draw);
      over = true;
      status.textContent = result(run);
      picture.replaceChildren(plot(run.deliveries));
    } catch (error) {
      status.textContent = error.message;
    } finally {
      button.disabled = false;
      page.changed();
    }
  });

  function progress({ count: all, answered, deliveries, retries }) {
    status.textContent = `${answered} of ${all} sent, ${deliveries.length} delivered${retries ? `, ${count(retries, "retry", "retries")}` : ""}…`;
  }

  page.onChange(() => {
    const names = page.running().map(({ name }) => name);
    panel.hidden = names.length < 2;
    const key = JSON.stringify(names);
    if (panel.dataset.key === key) return;
    panel.dataset.key = key;
    for (const [select, i] of [[from, 0], [to, 1]]) {
      select.replaceChildren(...names.map((value) => h("option", { value }, value)));
      if (names[i]) select.value = names[i];
    }
  });
}

function result(run) {
  const { delivered, perSecond, median, p95 } = run.summary();
  const lost = run.count - delivered;
  return `${count(run.count, "message")} sent, ${delivered} delivered, ${lost} lost, ${run.doubles} doubled`
    + `${run.retries ? `, ${count(run.retries, "retry", "retries")}` : ""}. `
    + `${perSecond} a second; from send to delivery ${median} ms for half of them, ${p95} ms for 95 %.`;
}

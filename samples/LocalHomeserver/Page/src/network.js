// The network between one device and the server. All requests of the device's SDK go through fetch(), and the switches of the
// page break it. What the server gets and answers is real: only what comes between is made up.
export class Network {
  cutOff = false;
  loseAnswer = false; // of the next send
  duplicate = false; // the next send
  loseDelivery = false; // the next sync response with messages

  // What a device shows of it. onAttempt gets each try of a send, onEnd how it went; onSync the syncs.
  onAttempt = () => {};
  onEnd = () => {};
  onSync = () => {};
  onSwitch = () => {};

  #connection = new AbortController();

  // The connection breaks: all requests on it fail, and nobody knows which of them the server got.
  break() {
    this.#connection.abort();
    this.#connection = new AbortController();
  }

  cut(off) {
    this.cutOff = off;
    if (off) this.break();
    this.onSwitch();
  }

  fetch = async (resource, options = {}) => {
    const request = describe(resource, options);
    const send = request.isSend ? this.onAttempt(request) : undefined;
    try {
      const { response, outcome } = await this.#pass(request, resource, options);
      if (send) this.onEnd(send, outcome);
      return response;
    } catch (error) {
      if (send) this.onEnd(send, { failed: true, text: error.outcome ?? "the connection broke" });
      throw error;
    }
  };

  async #pass(request, resource, options) {
    if (this.cutOff) throw broken("cut off, not sent");
    if (request.isSend && this.loseAnswer) return this.#loseAnswer(resource, options);
    if (request.isSend && this.duplicate) return this.#sendTwice(resource, options);

    const response = await this.#request(resource, options);
    if (request.isSync && response.ok) this.#look(request, JSON.parse(response.text));
    return { response: response.again(), outcome: { status: response.status, text: String(response.status) } };
  }

  async #loseAnswer(resource, options) {
    this.loseAnswer = false;
    const { status } = await this.#request(resource, options);
    this.onSwitch();
    this.break();
    throw broken(`reached the server (${status}), answer lost`);
  }

  async #sendTwice(resource, options) {
    this.duplicate = false;
    const [first, second] = await Promise.all([this.#request(resource, options), this.#request(resource, options)]);
    this.onSwitch();
    return { response: first.again(), outcome: { status: first.status, text: `sent twice, answered ${first.status} and ${second.status}` } };
  }

  #look(request, { next_batch: nextBatch, to_device: toDevice }) {
    const events = toDevice?.events ?? [];
    const lost = this.loseDelivery && events.length > 0;
    this.onSync({ since: request.since, nextBatch, events, lost });
    if (!lost) return;
    this.loseDelivery = false;
    this.onSwitch();
    this.break();
    throw broken("answer lost");
  }

  async #request(resource, options) {
    const connection = this.#connection.signal;
    const signal = options.signal ? AbortSignal.any([options.signal, connection]) : connection;
    try {
      const response = await fetch(resource, { ...options, signal });
      const text = await response.text();
      const { ok, status, headers } = response;
      return { ok, status, text, again: () => new Response(text, { status, headers }) };
    } catch (error) {
      // To the SDK, a connection that broke is no request that it has cancelled.
      throw connection.aborted ? broken("the connection broke") : error;
    }
  }
}

function describe(resource, { method = "GET", body }) {
  const url = new URL(resource, location.href);
  const segments = url.pathname.split("/").slice(4).map(decodeURIComponent);
  return {
    path: url.pathname,
    body,
    isSend: method === "PUT" && segments[0] === "sendToDevice",
    isSync: method === "GET" && segments[0] === "sync",
    eventType: segments[1],
    txnId: segments[2],
    since: url.searchParams.get("since"),
  };
}

// As the browser's own fetch fails.
function broken(outcome) {
  return Object.assign(new TypeError("Failed to fetch"), { outcome });
}

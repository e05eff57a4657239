// A proxy between one client and the homeserver that does to requests and answers what networks do to them.
import http from "node:http";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";

// copies: how many of the request arrive, in flight at the same time. keeps: the part of the answer that comes back.
// answer: what something in between answers instead. The server has done its work whenever a copy arrived.
export const faults = {
  requestLost: { copies: 0 },
  answerLost: { keeps: 0 },
  answerCut: { keeps: 0.5 },
  sentTwice: { copies: 2 },
  sentTwiceAnswersLost: { copies: 2, keeps: 0 },
  gatewayTimeout: { answer: json(504, "{}") },
  pretence: { copies: 0, answer: json(200, "{}") }, // no network does this: for tests of tests
};

export async function startNetwork(homeserver) {
  const upstream = new URL(homeserver);
  const agent = new http.Agent({ keepAlive: true });
  const network = {
    onRequest: () => undefined, // (request) => a fault, or undefined for none
    onAnswer: () => undefined, // (request, answer) => the same, once the answer is known
    seen: [],
    lostRequests: 0,
    lostAnswers: 0,
    sentTwice: 0,
    differentAnswers: 0,
  };

  const server = http.createServer((request, response) => pass(request, response).catch(() => response.destroy()));

  async function pass(incoming, response) {
    const hungUp = new AbortController();
    response.once("close", () => hungUp.abort());
    const { method, url: path, headers } = incoming;
    const request = { method, path, headers, body: await buffer(incoming) };
    network.seen.push(request);

    const fault = network.onRequest(request) ?? {};
    const copies = fault.copies ?? 1;
    const answers = await Promise.all(Array.from({ length: copies }, () => forward(request, hungUp.signal)));
    if (fault.answer) answers[0] = fault.answer;
    if (answers.length === 0) {
      network.lostRequests++;
      return response.destroy();
    }
    if (copies === 2) {
      network.sentTwice++;
      if (!isSame(...answers)) network.differentAnswers++;
    }

    const { status, headers: answerHeaders, body } = answers[0];
    const keeps = (network.onAnswer(request, answers[0]) ?? fault).keeps ?? 1;
    if (keeps < 1) network.lostAnswers++;
    if (keeps === 0) return response.destroy();
    response.writeHead(status, { ...answerHeaders, "content-length": body.length });
    if (keeps === 1) return response.end(body);
    response.write(body.subarray(0, body.length * keeps), () => response.destroy());
  }

  async function forward({ method, path, headers, body }, signal) {
    const request = http.request(upstream, { method, path, headers: endToEnd(headers), agent, signal });
    request.end(body);
    const [answer] = await once(request, "response");
    return { status: answer.statusCode, headers: endToEnd(answer.headers), body: await buffer(answer) };
  }

  await once(server.listen(0, "127.0.0.1"), "listening");
  network.url = `http://127.0.0.1:${server.address().port}`;
  network.stop = () => {
    server.close();
    server.closeAllConnections();
    agent.destroy();
  };
  return network;
}

export const isSend = ({ method, path }) => method === "PUT" && path.includes("/sendToDevice/");
export const isSync = ({ method, path }) => method === "GET" && path.includes("/sync?");
export const isSlidingSync = ({ method, path }) => method === "POST" && path.split("?")[0].endsWith("/sync");
export const hasMessages = ({ body }) => {
  const { to_device: section, extensions } = JSON.parse(body);
  return (section ?? extensions?.to_device)?.events?.length > 0;
};
export const txnIdOf = ({ path }) => decodeURIComponent(path.split("?")[0].split("/").at(-1));
export const sinceOf = ({ path }) => new URL(path, "http://any").searchParams.get("since");

// Some headers are about one connection only, and stay on it.
function endToEnd({ connection, "keep-alive": keepAlive, "transfer-encoding": transferEncoding, ...rest }) {
  return rest;
}

function json(status, text) {
  return { status, headers: { "content-type": "application/json" }, body: Buffer.from(text) };
}

function isSame(one, other) {
  return one.status === other.status && one.body.equals(other.body);
}

// Another server: it asks the homeserver what servers ask each other, and answers what it is asked.
import http from "node:http";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { exchange } from "./exchange.js";
import { newKey, signatureOf, signed } from "./signing.js";

export const peerName = "hs2.localhost";

export async function startPeer() {
  const key = newKey("peer");
  const peer = { exchanges: [], ask, received, stop, answers: {} };
  const waiting = new Set();
  const server = http.createServer(async (incoming, response) => {
    const { method, url: path } = incoming;
    const requestBody = await buffer(incoming);
    const answer = path === "/_matrix/key/v2/server" ? document() : peer.answers[path] ?? { pdus: {} };
    peer.exchanges.push({ method, path, requestBody, status: 200, headers: { "content-type": "application/json" }, body: JSON.stringify(answer) });
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
    waiting.forEach((look) => look());
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  peer.url = `http://127.0.0.1:${server.address().port}`;
  return peer;

  function document() {
    const validUntil = Date.now() + 86_400_000;
    return signed({ server_name: peerName, valid_until_ts: validUntil, verify_keys: { [key.id]: { key: key.publicKey } }, old_verify_keys: {} }, peerName, key);
  }

  function ask({ url, serverName }, method, path, content) {
    // A text is sent as it is, and is not JSON.
    const isSigned = content !== undefined && typeof content !== "string";
    const request = { method, uri: path, origin: peerName, destination: serverName, ...isSigned ? { content } : {} };
    const authorization = `X-Matrix origin="${peerName}",destination="${serverName}",key="${key.id}",sig="${signatureOf(request, key)}"`;
    return exchange(url, method, path, { authorization, body: content });
  }

  // Resolves as soon as the homeserver has sent such an EDU; the tests' own limit ends a wait in vain.
  async function received(eduType) {
    const isThere = () => peer.exchanges.some(({ method, requestBody }) =>
      method === "PUT" && JSON.parse(requestBody).edus.some((edu) => edu.edu_type === eduType));
    while (!isThere()) await new Promise((resolve) => waiting.add(resolve));
  }

  function stop() {
    server.close();
    server.closeAllConnections();
  }
}
